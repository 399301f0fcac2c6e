"""A refund: money of a deposit that goes back to the card it came from."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.operations import IDEMPOTENCY_INDEX
from domain.kernel.search import money_indexes
from domain.sending import Sending


class RefundStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    RETRYING = "RETRYING"
    UNCONFIRMED = "UNCONFIRMED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NEEDS_REVIEW = "NEEDS_REVIEW"


S = RefundStatus
# Nobody has asked Stripe, or Stripe has certainly done nothing: it may be taken back.
CANCELABLE = frozenset({S.PENDING, S.RETRYING})
HOLDING = CANCELABLE | {S.PROCESSING, S.UNCONFIRMED, S.NEEDS_REVIEW}
OVER = frozenset({S.FAILED, S.CANCELED})
# Where Stripe's word leads from every state in which it may have made the refund.
_AT_STRIPE = frozenset({S.PROCESSING, S.REQUIRES_ACTION, S.SUCCEEDED, S.FAILED, S.CANCELED})

# PENDING ──> PROCESSING | CANCELED (before it is sent)      PROCESSING ──> RETRYING | UNCONFIRMED
# RETRYING, UNCONFIRMED ──> PROCESSING                       UNCONFIRMED ──> NEEDS_REVIEW
# any that may be at Stripe ──> PROCESSING (pending there) | REQUIRES_ACTION | SUCCEEDED | FAILED | CANCELED
# SUCCEEDED ──> FAILED (days later: money back)
# FAILED, CANCELED ──> SUCCEEDED | PROCESSING | REQUIRES_ACTION (found at Stripe after all)
MACHINE = Machine(
    arrows={
        S.PENDING: _AT_STRIPE,
        S.PROCESSING: (_AT_STRIPE | {S.RETRYING, S.UNCONFIRMED}) - {S.PROCESSING},
        S.RETRYING: _AT_STRIPE,
        S.UNCONFIRMED: _AT_STRIPE | {S.RETRYING, S.NEEDS_REVIEW},
        S.NEEDS_REVIEW: _AT_STRIPE,
        S.REQUIRES_ACTION: _AT_STRIPE - {S.REQUIRES_ACTION},
        S.SUCCEEDED: {S.FAILED, S.CANCELED},
        **{status: {S.PROCESSING, S.REQUIRES_ACTION, S.SUCCEEDED} for status in OVER},
    },
    settled={S.SUCCEEDED, S.FAILED, S.CANCELED},
    final={S.FAILED, S.CANCELED},
)


class RefundOrigin(StrEnum):
    """PRODUCT: asked for here. STRIPE: made there, in its dashboard for instance, and adopted."""

    PRODUCT = "PRODUCT"
    STRIPE = "STRIPE"


class SentBy(StrEnum):
    """The step that booked what left. HOLD_SETTLED: what was held; the others: whatever was available."""

    HOLD_SETTLED = "hold_settled"
    FOUND_SENT = "found_sent"
    ADOPTED = "adopted"


class SentRefund(BaseModel):
    """The refund at Stripe, by Stripe's id. `returned`: it failed after that, and the money is back."""

    id: str
    booked: SentBy
    returned: bool = False


class Refund(Sending[RefundStatus]):
    """`wallet`: what it is taken of, in the currency that was paid. `asked_by`: a person, unless adopted.

    `payment_intent`: what is refunded, Stripe's id. `observed_at`: when Stripe was asked for what is stored.
    """

    machine = MACHINE

    deposit: str
    payment_intent: str
    origin: RefundOrigin
    asked_by: str | None
    sent: SentRefund | None = None
    observed_at: datetime | None = None

    @property
    def holds_money(self) -> bool:
        """Whether the reserve is still in the wallet's `held`."""
        return self.origin is RefundOrigin.PRODUCT and self.sent is None and self.status in HOLDING

    class Settings:
        name = "refunds"
        indexes: ClassVar = [
            DUE_INDEX,
            IDEMPOTENCY_INDEX,
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            *money_indexes(),
            IndexModel([("deposit", ASCENDING), ("_id", DESCENDING)], name="deposit"),
            IndexModel(
                [("sent.id", ASCENDING)],
                unique=True,
                name="sent",
                partialFilterExpression={"sent.id": {"$gt": ""}},
            ),
            IndexModel(
                [("hindrance", ASCENDING)],
                name="hindrance",
                partialFilterExpression={"hindrance": {"$gt": ""}},
            ),
        ]
