"""A deposit: money that a customer brings into their wallet by card."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.gateway import Attempt
from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.money import Money
from domain.kernel.operations import IDEMPOTENCY_INDEX, Actor, Operation
from domain.kernel.search import money_indexes


class DepositStatus(StrEnum):
    REQUIRES_PAYMENT = "REQUIRES_PAYMENT"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NEEDS_REVIEW = "NEEDS_REVIEW"


S = DepositStatus
OPEN = frozenset({S.REQUIRES_PAYMENT, S.REQUIRES_ACTION, S.FAILED})
_TRYING = OPEN | {S.PROCESSING}
# With what a settled deposit is written: nobody can pay it, or answer a bank, any more.
NO_SECRETS: Final = {"client_secret": None, "next_action_url": None, "checkout_url": None}

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


class SavedCard(BaseModel):
    """A saved method that is charged at once, by the server. `return_url` is encrypted."""

    method: str
    stripe_id: str
    return_url: bytes


class Page(StrEnum):
    """Where a page of Stripe's stands, in Stripe's words. What is closed never opens again."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class Checkout(BaseModel):
    """The deposit is paid on a page of Stripe's, a Checkout Session. Both addresses are encrypted."""

    success_url: bytes
    cancel_url: bytes
    session_id: str | None = None
    page: Page = Page.OPEN


class Cancellation(BaseModel):
    """Somebody wants the deposit canceled; it is, once Stripe says so."""

    by: Actor
    reason: str
    at: datetime


class ReviewOutcome(StrEnum):
    """What becomes of money that was not agreed: into the wallet, or back to the card."""

    CREDIT = "CREDIT"
    REFUND = "REFUND"


class Resolution(BaseModel):
    """An administrator's decision. A refund is done once Stripe has made it, and `refund_id` is Stripe's."""

    id: str
    outcome: ReviewOutcome
    by: str
    reason: str
    at: datetime
    refund_id: str | None = None
    done: bool = False


class Receipt(BaseModel):
    """Money that Stripe received, but not as agreed: it is in platform:unexplained until it is resolved.

    `returned`: the refund, Stripe's id, that failed after it was made and brought the money back.
    """

    payment_intent_id: str
    amount: int
    currency: str
    returned: str | None = None
    resolution: Resolution | None = None

    @property
    def is_credited(self) -> bool:
        return self.resolution is not None and self.resolution.outcome is ReviewOutcome.CREDIT


class Reclaim(BaseModel):
    """What `operation`, a refund or a dispute, takes back of a deposit; `blocks`: nothing is refunded now."""

    operation: str
    amount: int
    blocks: bool = False


class Deposit(Operation[DepositStatus]):
    """Amounts in minor units of `currency`; `received` of `received_currency`, where that is another.

    `client_secret`, `next_action_url` and `checkout_url` are encrypted, and gone once it is settled.
    `observed_at`: when Stripe was asked for what is stored here; an older answer is not written over it.
    `attempt`: the question to Stripe that is under way, for the intent or the page, and, later, for a refund
    in review.
    """

    machine = MACHINE

    wallet: str
    amount: int
    currency: str
    received: int = 0
    received_currency: str | None = None
    saved_card: SavedCard | None = None
    checkout: Checkout | None = None
    save_method: bool = False
    payment_intent_id: str | None = None
    client_secret: bytes | None = None
    next_action_url: bytes | None = None
    checkout_url: bytes | None = None
    expires_at: datetime | None = None
    cancellation: Cancellation | None = None
    receipts: list[Receipt] = Field(default_factory=list)
    reclaims: list[Reclaim] = Field(default_factory=list)
    attempt: Attempt | None = None
    observed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether a payer, or a cancellation, can still act upon it."""
        return self.status in OPEN

    @property
    def is_made(self) -> bool:
        """Whether Stripe's answer is stored: the page that was asked for, or else the intent."""
        made = self.payment_intent_id if self.checkout is None else self.checkout.session_id
        return made is not None

    @property
    def receipt_waiting(self) -> Receipt | None:
        """The oldest receipt that nobody decided about."""
        return next((r for r in self.receipts if r.resolution is None), None)

    @property
    def refund_under_way(self) -> Receipt | None:
        """The receipt whose refund was decided, and that Stripe has not made yet."""
        decided = (r for r in self.receipts if r.resolution is not None and not r.resolution.done)
        return next(decided, None)

    @property
    def paid(self) -> Money:
        """What its own intent brought into a wallet; zero until it has."""
        own = None if self.payment_intent_id is None else self.receipt_of(self.payment_intent_id)
        if own is not None:
            return Money(own.amount if own.is_credited else 0, own.currency)
        agreed = self.received_currency is None and self.received
        return Money(self.received - self._credited_beside() if agreed else 0, self.currency)

    @property
    def refunded(self) -> int:
        """What refunds have taken, or are taking, in minor units of what was paid."""
        return self._reclaimed("rfd_")

    @property
    def disputed(self) -> int:
        """What disputes have taken, and not given back."""
        return self._reclaimed("dsp_")

    @property
    def refundable(self) -> int:
        """What is left to be refunded; nothing while a dispute is open."""
        if any(reclaim.blocks for reclaim in self.reclaims):
            return 0
        return max(self.paid.amount - self.refunded - self.disputed, 0)

    def _reclaimed(self, prefix: str) -> int:
        return sum(reclaim.amount for reclaim in self.reclaims if reclaim.operation.startswith(prefix))

    def receipt_of(self, payment_intent_id: str) -> Receipt | None:
        """What that intent brought, if it was not as agreed."""
        return next((r for r in self.receipts if r.payment_intent_id == payment_intent_id), None)

    def received_as_agreed(self, money: Money) -> dict[str, Any]:
        """The fields for what reached a wallet, once what was agreed has: from now on in its currency."""
        return {"received": money.amount + self._credited_beside(), "received_currency": None}

    def received_with(self, money: Money) -> dict[str, Any]:
        """Likewise, once a receipt's `money` has been credited: in the currency that was first."""
        if self.received == 0:
            other = None if money.currency == self.currency else money.currency
            return {"received": money.amount, "received_currency": other}
        same = money.currency == (self.received_currency or self.currency)
        return {"received": self.received + money.amount} if same else {}

    def _credited_beside(self) -> int:
        """What came into the same wallet by a review."""
        return sum(
            receipt.amount
            for receipt in self.receipts
            if receipt.is_credited and receipt.currency == self.currency
        )

    def review_ref(self, step: str, intent_id: str, returned: str | None = None) -> str:
        """The ref of a step about money that was not agreed: one for each intent, and each return of it."""
        own = self.payment_intent_id in (None, intent_id)
        parts = [step, *([] if own else [intent_id]), *([] if returned is None else [returned])]
        return f"deposit:{self.id}:{':'.join(parts)}"

    class Settings:
        name = "deposits"
        indexes: ClassVar = [
            DUE_INDEX,
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel(
                [("owner", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="owner_status"
            ),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            *money_indexes(),
            IDEMPOTENCY_INDEX,
            IndexModel(
                [("payment_intent_id", ASCENDING)],
                unique=True,
                name="payment_intent_id",
                # Any text, and no null. MongoDB does not see that an equality implies {"$type": "string"}.
                partialFilterExpression={"payment_intent_id": {"$gt": ""}},
            ),
            IndexModel(
                [("checkout.session_id", ASCENDING)],
                unique=True,
                name="checkout_session_id",
                partialFilterExpression={"checkout.session_id": {"$gt": ""}},
            ),
        ]
