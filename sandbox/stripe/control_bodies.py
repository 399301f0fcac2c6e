"""What the controls may be told: the body of each call, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from . import checkouts, webhook_endpoints
from .faults import FaultKind
from .standing import Outcome

ADVANCE_S_MAX = 10 * 365 * 86_400
COPIES_MAX = 100
AMOUNT_MAX = 10**15


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


FailureReason = Literal[
    "lost_or_stolen_card",
    "expired_or_canceled_card",
    "charge_for_pending_refund_disputed",
    "insufficient_funds",
    "declined",
    "merchant_request",
    "unknown",
]


Name = Annotated[str, Field(min_length=1, max_length=200)]


class FaultBody(Body):
    method: Literal["*", "GET", "POST", "DELETE"] = "*"
    path: Annotated[str, Field(pattern=r"^/")]
    fault: FaultKind
    times: Annotated[int, Field(ge=1)] = 1
    code: str | None = None
    account: str | None = None
    latency_ms: Annotated[float, Field(ge=0, le=600_000)] | None = None


class WebhooksBody(Body):
    duplicate: Annotated[int, Field(ge=0, le=COPIES_MAX)] = 0
    shuffle: bool = False
    drop: Annotated[float, Field(ge=0, le=1)] = 0.0
    delay_ms: Annotated[float, Field(ge=0)] = 0.0
    corrupt: Annotated[float, Field(ge=0, le=1)] = 0.0
    old_timestamps: Annotated[float, Field(ge=0, le=1)] = 0.0


class TimesBody(Body):
    times: Annotated[int, Field(ge=1, le=COPIES_MAX)] = 1


class ClockBody(Body):
    advance_seconds: Annotated[float, Field(ge=0, le=ADVANCE_S_MAX)]


class FloatBody(Body):
    currency: str
    amount: Annotated[int, Field(ge=0, le=AMOUNT_MAX)]


class MovementBody(Body):
    type: Literal["adjustment", "payout", "stripe_fee"]
    amount: Annotated[int, Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
    currency: str
    fee: Annotated[int, Field(ge=0, le=AMOUNT_MAX)] = 0
    description: str | None = None


class RefundBody(Body):
    outcome: Literal["succeeded", "requires_action", "failed", "canceled"]
    failure_reason: FailureReason = "unknown"


class DisputeBody(Body):
    reason: str = "fraudulent"
    amount: Annotated[int, Field(ge=1, le=AMOUNT_MAX)] | None = None
    inquiry: bool = False


class DisputeOutcomeBody(Body):
    outcome: Literal["under_review", "won", "lost", "needs_response", "warning_closed", "prevented"]
    amount: Annotated[int, Field(ge=0, le=AMOUNT_MAX)] | None = None
    fee_returned: bool | None = None


class PayoutBody(Body):
    outcome: Literal["paid", "failed"]
    failure_code: str | None = None


class CheckoutBody(Body):
    outcome: checkouts.Outcome
    card: str | None = None


class OnboardBody(Body):
    outcome: Outcome | Literal["deauthorized"]
    requirements: Annotated[list[Name], Field(min_length=1)] | None = None
    deadline: Annotated[int, Field(ge=0)] | None = None


class RollBody(Body):
    expire_in_seconds: Annotated[float, Field(ge=0, le=webhook_endpoints.ROLLED_S_MAX)] = (
        webhook_endpoints.ROLLED_S_MAX
    )


class ResetBody(Body):
    seed: int | None = None
