"""A withdrawal: money that a contractor takes out of their wallet, to their Stripe account and their bank."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.operations import IDEMPOTENCY_INDEX
from domain.kernel.search import money_indexes
from domain.sending import Sending


class WithdrawalStatus(StrEnum):
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    RETRYING = "RETRYING"
    UNCONFIRMED = "UNCONFIRMED"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    PAYOUT_FAILED = "PAYOUT_FAILED"
    FAILED = "FAILED"
    REVERSED = "REVERSED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    NEEDS_REVIEW = "NEEDS_REVIEW"


S = WithdrawalStatus
# Nobody has asked Stripe, or Stripe has certainly done nothing: the owner may still change their mind.
CANCELABLE = frozenset({S.AWAITING_APPROVAL, S.PENDING, S.RETRYING})
# Stripe is being asked, or was and nobody knows what it did: the money stays held.
ASKED = frozenset({S.PROCESSING, S.UNCONFIRMED, S.NEEDS_REVIEW})
HOLDING = CANCELABLE | ASKED
SENT = frozenset({S.IN_TRANSIT, S.PAID, S.PAYOUT_FAILED, S.REVERSED})
GIVEN_BACK = frozenset({S.FAILED, S.REJECTED, S.CANCELED})

# AWAITING_APPROVAL ──> PENDING ──> PROCESSING ──> IN_TRANSIT ──> PAID
#         └──> REJECTED | CANCELED              PENDING, RETRYING ──> PROCESSING | CANCELED | FAILED
# PROCESSING ──> RETRYING (not done, later) | FAILED (refused; money back) | UNCONFIRMED (nobody knows)
# UNCONFIRMED ──> RETRYING | FAILED | NEEDS_REVIEW            NEEDS_REVIEW ──> FAILED
# IN_TRANSIT, PAID ──> PAYOUT_FAILED ──> PAID                 (the bank said no: the money is at Stripe)
# IN_TRANSIT, PAID, PAYOUT_FAILED ──> REVERSED                (wholly; in part, the state stays)
# any but SENT ──> IN_TRANSIT                                 (what Stripe did is never ignored)
MACHINE = Machine(
    arrows={
        S.AWAITING_APPROVAL: {S.PENDING, S.REJECTED, S.CANCELED, S.IN_TRANSIT},
        S.PENDING: {S.PROCESSING, S.CANCELED, S.FAILED, S.IN_TRANSIT},
        S.PROCESSING: {S.IN_TRANSIT, S.RETRYING, S.FAILED, S.UNCONFIRMED},
        S.RETRYING: {S.PROCESSING, S.CANCELED, S.FAILED, S.IN_TRANSIT},
        S.UNCONFIRMED: {S.IN_TRANSIT, S.RETRYING, S.FAILED, S.NEEDS_REVIEW},
        S.NEEDS_REVIEW: {S.IN_TRANSIT, S.FAILED},
        S.IN_TRANSIT: {S.PAID, S.PAYOUT_FAILED, S.REVERSED},
        S.PAID: {S.PAYOUT_FAILED, S.REVERSED},
        S.PAYOUT_FAILED: {S.PAID, S.REVERSED},
        **{status: {S.IN_TRANSIT} for status in GIVEN_BACK},
    },
    settled={S.PAID, S.FAILED, S.REVERSED, S.REJECTED, S.CANCELED},
    final={S.REVERSED, S.REJECTED},
)


class Approval(BaseModel):
    """An administrator's leave, or refusal, to send what was asked for."""

    by: str
    at: datetime
    given: bool


class PartReversed(BaseModel):
    """A reversal, Stripe's id, and its amount in minor units."""

    id: str
    amount: int


class SentTransfer(BaseModel):
    """A transfer at Stripe: `payment` is what it is in the contractor's account.

    `found`: nobody expected it, so it was booked from the wallet's available money and not from the hold.
    """

    id: str
    amount: int
    payment: str | None
    found: bool
    reversals: list[PartReversed] = Field(default_factory=list)

    @property
    def reversed(self) -> int:
        return sum(reversal.amount for reversal in self.reversals)


class BankPayout(BaseModel):
    """A payout that covers this withdrawal, as Stripe showed it at `observed_at`. `status` is Stripe's."""

    id: str
    status: str
    arrives_at: datetime
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    observed_at: datetime


class Withdrawal(Sending[WithdrawalStatus]):
    """`account`: Stripe's id of the account that the last question named.

    `payouts`: the one after the other, each making good the failure of the one before.
    """

    machine = MACHINE

    approval: Approval | None = None
    account: str | None = None
    transfers: list[SentTransfer] = Field(default_factory=list)
    payouts: list[BankPayout] = Field(default_factory=list)
    sent_at: datetime | None = None

    @property
    def reversed(self) -> int:
        """What came back of all that was sent."""
        return sum(transfer.reversed for transfer in self.transfers)

    @property
    def holds_money(self) -> bool:
        """Whether the reserve is still in the wallet's `held`."""
        return self.status in HOLDING

    @property
    def payout(self) -> BankPayout | None:
        """The newest, of which the state is the withdrawal's."""
        return self.payouts[-1] if self.payouts else None

    def transfer(self, transfer_id: str) -> SentTransfer | None:
        return next((transfer for transfer in self.transfers if transfer.id == transfer_id), None)

    class Settings:
        name = "withdrawals"
        indexes: ClassVar = [
            DUE_INDEX,
            IDEMPOTENCY_INDEX,
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel(
                [("owner", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="owner_status"
            ),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            *money_indexes(),
            IndexModel(
                [("transfers.id", ASCENDING)],
                unique=True,
                name="transfer",
                partialFilterExpression={"transfers.id": {"$gt": ""}},
            ),
            IndexModel(
                [("transfers.payment", ASCENDING)],
                name="payment",
                partialFilterExpression={"transfers.payment": {"$gt": ""}},
            ),
            IndexModel(
                [("payouts.id", ASCENDING)],
                name="payout",
                partialFilterExpression={"payouts.id": {"$gt": ""}},
            ),
            IndexModel(
                [("hindrance", ASCENDING), ("owner", ASCENDING)],
                name="hindrance",
                partialFilterExpression={"hindrance": {"$gt": ""}},
            ),
        ]
