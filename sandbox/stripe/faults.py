"""Faults: what goes wrong with the next calls, as told through `/_sandbox/faults`."""

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .errors import NotExecuted, StripeError


class FaultKind(StrEnum):
    LATENCY = "latency"
    RESET_BEFORE_COMMIT = "reset_before_commit"
    RESET_AFTER_COMMIT = "reset_after_commit"
    TIMEOUT_BEFORE_COMMIT = "timeout_before_commit"
    TIMEOUT_AFTER_COMMIT = "timeout_after_commit"
    TRUNCATE_AFTER_COMMIT = "truncate_after_commit"
    ERROR_500_BEFORE_COMMIT = "error_500_before_commit"
    ERROR_500_AFTER_COMMIT = "error_500_after_commit"
    ERROR_503 = "error_503"
    RATE_LIMIT_429 = "rate_limit_429"
    LOCK_TIMEOUT_429 = "lock_timeout_429"
    CONFLICT_409 = "conflict_409"
    ERROR_400 = "error_400"
    ERROR_400_BEFORE_COMMIT = "error_400_before_commit"
    ERROR_401 = "error_401"
    ERROR_403 = "error_403"


LOST_BEFORE_COMMIT = {FaultKind.RESET_BEFORE_COMMIT, FaultKind.TIMEOUT_BEFORE_COMMIT}


@dataclass
class Fault:
    """`method` and `path` say which calls; a `*` in the path stands for one segment. `times` counts down."""

    method: str
    path: str
    fault: FaultKind
    times: int = 1
    code: str | None = None
    account: str | None = None
    latency_ms: float | None = None

    def matches(self, method: str, path: str, account: str) -> bool:
        pattern = re.escape(self.path.rstrip("/")).replace(r"\*", "[^/]+")
        return (
            self.times > 0
            and self.method in {"*", method}
            and self.account in {None, account}
            and re.fullmatch(pattern, path) is not None
        )


@dataclass
class Faults:
    """In memory: a restart heals."""

    rules: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str, account: str) -> Fault | None:
        """The first that matches, one time less."""
        for rule in self.rules:
            if rule.matches(method, path, account):
                rule.times -= 1
                self.rules = [one for one in self.rules if one.times > 0]
                return rule
        return None

    def clear(self) -> None:
        self.rules = []

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.rules]


def internal_error() -> StripeError:
    return StripeError(
        500,
        "An error occurred with our connection to the bank. Please try again.",
        type="api_error",
        headers={"Stripe-Should-Retry": "true"},
    )


def key_in_use(key: str | None) -> NotExecuted:
    return NotExecuted(
        409,
        f"There is currently another in-progress request using this Idempotent Key: {key}. Please try "
        "again later.",
        code="idempotency_key_in_use",
    )


def refuse(fault: Fault, *, key: str | None) -> None:
    """Raise NotExecuted for the faults that stop a call before its endpoint."""
    match fault.fault:
        case FaultKind.ERROR_503:
            raise NotExecuted(503, "Stripe is temporarily unavailable. Please try again.", type="api_error")
        case FaultKind.RATE_LIMIT_429:
            raise NotExecuted(
                429,
                "Request rate limit exceeded. Learn more about rate limits here "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                headers={"Stripe-Rate-Limited-Reason": "global-rate", "Stripe-Should-Retry": "false"},
            )
        case FaultKind.LOCK_TIMEOUT_429:
            raise NotExecuted(
                429,
                "This object cannot be accessed right now because another API request or Stripe process is "
                "currently "
                "accessing it. If you see this error intermittently, retry the request.",
                code="lock_timeout",
                headers={"Stripe-Should-Retry": "true"},
            )
        case FaultKind.CONFLICT_409:
            raise key_in_use(key)
        case FaultKind.ERROR_401:
            raise NotExecuted(401, "Invalid API Key provided: sk_test_****")
        case FaultKind.ERROR_400_BEFORE_COMMIT | FaultKind.ERROR_403:
            status = 403 if fault.fault is FaultKind.ERROR_403 else 400
            raise NotExecuted(status, f"The sandbox was told to refuse this: {fault.code}.", code=fault.code)
        case FaultKind.ERROR_500_BEFORE_COMMIT:
            error = internal_error()
            raise NotExecuted(error.status, str(error), type="api_error", headers=error.headers)
        case _:
            return


def refuse_in_execution(fault: Fault | None) -> None:
    """Raise the StripeError of `error_400`: the endpoint itself says no, and its answer is kept."""
    if fault is not None and fault.fault is FaultKind.ERROR_400:
        raise StripeError(400, f"The sandbox was told to refuse this: {fault.code}.", code=fault.code)
