"""Money on its way out, as Stripe shows it: transfers, their reversals, and payouts to a bank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.gateway.amounts import from_stripe
from domain.gateway.objects import id_of
from domain.kernel.money import Money


@dataclass(frozen=True)
class Reversal:
    """A part of a transfer that came back."""

    id: str
    amount: Money

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Reversal":
        """Of Stripe's JSON. Raises KeyError, TypeError, ValueError."""
        return cls(id=raw["id"], amount=from_stripe(raw["amount"], raw["currency"]))


@dataclass(frozen=True)
class Transfer:
    """From the platform's balance to a connected account's, done the moment it is made.

    `destination_payment`: what it is there, py_.... `reversals`: all of them, the oldest first.
    """

    id: str
    amount: Money
    destination: str | None
    destination_payment: str | None
    metadata: Mapping[str, str]
    reversals: tuple[Reversal, ...]
    created_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any], reversals: Sequence[Mapping[str, Any]] | None = None) -> "Transfer":
        """Of Stripe's JSON, which embeds the newest ten reversals; `reversals` are all, the newest first.

        Raises KeyError, TypeError, ValueError.
        """
        newest_first = raw["reversals"]["data"] if reversals is None else reversals
        return cls(
            id=raw["id"],
            amount=from_stripe(raw["amount"], raw["currency"]),
            destination=id_of(raw.get("destination")),
            destination_payment=id_of(raw.get("destination_payment")),
            metadata=dict(raw.get("metadata") or {}),
            reversals=tuple(Reversal.of(reversal) for reversal in reversed(newest_first)),
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )


@dataclass(frozen=True)
class Payout:
    """From a connected account's balance to its bank. `status` is Stripe's, and open; paid may turn failed.

    `lists_its_sources`: whether Stripe can tell by now what is in it; never for one that was made by hand.
    """

    id: str
    status: str
    lists_its_sources: bool
    arrives_at: datetime
    failure_code: str | None
    failure_message: str | None
    metadata: Mapping[str, str]
    created_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Payout":
        """Of Stripe's JSON. Raises KeyError, TypeError, ValueError."""
        return cls(
            id=raw["id"],
            status=raw["status"],
            lists_its_sources=raw["automatic"] and raw["reconciliation_status"] == "completed",
            arrives_at=datetime.fromtimestamp(raw["arrival_date"], UTC),
            failure_code=raw.get("failure_code"),
            failure_message=raw.get("failure_message"),
            metadata=dict(raw.get("metadata") or {}),
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )
