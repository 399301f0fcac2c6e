"""A deposit: money that a customer brings into their wallet by card."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.gateway import Attempt
from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.operations import Operation


class DepositStatus(StrEnum):
    REQUIRES_PAYMENT = "REQUIRES_PAYMENT"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NEEDS_REVIEW = "NEEDS_REVIEW"


S = DepositStatus
_TRYING = {S.REQUIRES_PAYMENT, S.REQUIRES_ACTION, S.PROCESSING, S.FAILED}

# REQUIRES_PAYMENT <-> REQUIRES_ACTION <-> PROCESSING, each <-> FAILED (this attempt; the intent lives on)
#     any, FAILED and CANCELED included ──> SUCCEEDED        (what Stripe was paid is never ignored)
#     any but SUCCEEDED ──> CANCELED                         (only when Stripe says so, or has no intent)
#     any but SUCCEEDED ──> NEEDS_REVIEW ──> SUCCEEDED | CANCELED   (paid, but not what was agreed)
MACHINE = Machine(
    arrows={
        **{status: (_TRYING | {S.SUCCEEDED, S.CANCELED, S.NEEDS_REVIEW}) - {status} for status in _TRYING},
        S.CANCELED: {S.SUCCEEDED, S.NEEDS_REVIEW},
        S.NEEDS_REVIEW: {S.SUCCEEDED, S.CANCELED},
    },
    settled={S.SUCCEEDED, S.CANCELED},
    final={S.SUCCEEDED},
)


class Deposit(Operation[DepositStatus]):
    """Amounts in minor units of `currency`. `client_secret` is encrypted, and gone once it is settled.

    `observed_at`: when Stripe was asked for what is stored here; an older answer is not written over it.
    """

    machine = MACHINE

    wallet: str
    amount: int
    currency: str
    received: int = 0
    payment_intent_id: str | None = None
    client_secret: bytes | None = None
    attempt: Attempt | None = None
    observed_at: datetime | None = None

    class Settings:
        name = "deposits"
        indexes: ClassVar = [
            DUE_INDEX,
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel(
                [("owner", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="owner_status"
            ),
            IndexModel(
                [
                    ("idempotency.actor", ASCENDING),
                    ("idempotency.mutation", ASCENDING),
                    ("idempotency.key", ASCENDING),
                ],
                unique=True,
                name="idempotency",
            ),
            IndexModel(
                [("payment_intent_id", ASCENDING)],
                unique=True,
                name="payment_intent_id",
                # Any text, and no null. MongoDB does not see that an equality implies {"$type": "string"}.
                partialFilterExpression={"payment_intent_id": {"$gt": ""}},
            ),
        ]
