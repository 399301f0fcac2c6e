"""Stripe Connect's objects as the product knows them: an account, and what Stripe wants to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class RequirementError:
    """Why what was handed in did not do. `requirement` names it as the lists do, `reason` is a sentence."""

    requirement: str
    code: str
    reason: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "RequirementError":
        return cls(requirement=raw["requirement"], code=raw["code"], reason=raw["reason"])


@dataclass(frozen=True)
class Requirements:
    """What is wanted now, or, of the future ones, will be. `disabled_reason` is Stripe's, and open."""

    currently_due: tuple[str, ...]
    past_due: tuple[str, ...]
    pending_verification: tuple[str, ...]
    errors: tuple[RequirementError, ...]
    deadline: datetime | None
    disabled_reason: str | None

    @property
    def due(self) -> tuple[str, ...]:
        """What somebody must hand in, the overdue first; each once, for Stripe may name it in both lists."""
        return tuple(dict.fromkeys((*self.past_due, *self.currently_due)))

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Requirements":
        """Of Stripe's JSON, in which each list may be null. Raises AttributeError, KeyError, TypeError."""
        deadline = raw.get("current_deadline")
        return cls(
            currently_due=tuple(raw.get("currently_due") or ()),
            past_due=tuple(raw.get("past_due") or ()),
            pending_verification=tuple(raw.get("pending_verification") or ()),
            errors=tuple(RequirementError.of(error) for error in raw.get("errors") or ()),
            deadline=None if deadline is None else datetime.fromtimestamp(deadline, UTC),
            disabled_reason=raw.get("disabled_reason"),
        )


@dataclass(frozen=True)
class Account:
    """A connected account. `capabilities`: Stripe's word for how each of them stands."""

    id: str
    country: str
    details_submitted: bool
    payouts_enabled: bool
    capabilities: Mapping[str, str]
    requirements: Requirements
    future_requirements: Requirements
    metadata: Mapping[str, str]

    @property
    def receives_transfers(self) -> bool:
        return self.capabilities.get("transfers") == "active"

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Account":
        """Of Stripe's JSON. Raises AttributeError, KeyError, TypeError, ValueError."""
        return cls(
            id=raw["id"],
            country=raw["country"],
            details_submitted=raw["details_submitted"],
            payouts_enabled=raw["payouts_enabled"],
            capabilities=dict(raw.get("capabilities") or {}),
            requirements=Requirements.of(raw.get("requirements") or {}),
            future_requirements=Requirements.of(raw.get("future_requirements") or {}),
            metadata=dict(raw.get("metadata") or {}),
        )


@dataclass(frozen=True)
class AccountLink:
    """Good for one visit, and for minutes: it is handed to who asked for it, and never kept."""

    url: str
    expires_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "AccountLink":
        """Of Stripe's JSON. Raises KeyError, TypeError, ValueError."""
        return cls(url=raw["url"], expires_at=datetime.fromtimestamp(raw["expires_at"], UTC))
