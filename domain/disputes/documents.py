"""A dispute: the payer's bank asks about a deposit's payment, or takes it back."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.operations import Operation
from domain.kernel.search import money_indexes


class DisputeStatus(StrEnum):
    WARNING_NEEDS_RESPONSE = "WARNING_NEEDS_RESPONSE"
    WARNING_UNDER_REVIEW = "WARNING_UNDER_REVIEW"
    WARNING_CLOSED = "WARNING_CLOSED"
    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    WON = "WON"
    LOST = "LOST"
    PREVENTED = "PREVENTED"


S = DisputeStatus
_INQUIRY = frozenset({S.WARNING_NEEDS_RESPONSE, S.WARNING_UNDER_REVIEW})
_CHARGEBACK = frozenset({S.NEEDS_RESPONSE, S.UNDER_REVIEW})
_DECIDED = frozenset({S.WON, S.LOST, S.PREVENTED})
CLOSED = _DECIDED | {S.WARNING_CLOSED}

# WARNING_NEEDS_RESPONSE <──> WARNING_UNDER_REVIEW ──> WARNING_CLOSED      (an inquiry: no money moves)
#            └──────────┬──────────────┘ <───────────────┘                 (it may become a chargeback)
#                       v
#        NEEDS_RESPONSE <──> UNDER_REVIEW ──> WON | LOST | PREVENTED
#                                             WON <──> LOST                (the bank changes its mind)
# A state is only where the dispute stands: money moves by Stripe's balance transactions, in any of them.
# Events are lost, so every way ahead may be gone in one step. Back to a state before goes none.
MACHINE = Machine(
    arrows={
        **{status: (_INQUIRY - {status}) | _CHARGEBACK | CLOSED for status in _INQUIRY},
        S.WARNING_CLOSED: _CHARGEBACK | _DECIDED,
        **{status: (_CHARGEBACK - {status}) | _DECIDED for status in _CHARGEBACK},
        S.WON: {S.LOST},
        S.LOST: {S.WON},
    },
    settled=CLOSED,
    final=CLOSED,
)


class Movement(BaseModel):
    """A balance transaction of Stripe's: `amount` came back or, negative, was taken.

    `recovered`: of what came back, what made good a loss that was written off before. `in_wallet`: where the
    payment was then; else in platform:unexplained.
    """

    id: str
    amount: int
    recovered: int = 0
    in_wallet: bool


class WriteOff(BaseModel):
    """An administrator takes what the wallet owes upon the platform; `in_part`: by wish, not all of it."""

    amount: int
    in_part: bool = False
    by: str
    reason: str
    at: datetime


class Dispute(Operation[DisputeStatus]):
    """Amounts in minor units of `currency`, the wallet's. Its caller's key is Stripe's id, see decision 58.

    `wallet`: frozen while it is open. `in_wallet`: the payment is in it, and what is taken comes from there;
    else it waits in platform:unexplained for a review, until it is credited. `left`: balance transactions in
    another currency, which are the treasury's. `observed_at`: when Stripe was asked for what is stored here.
    """

    machine = MACHINE

    stripe_id: str
    payment_intent_id: str
    deposit: str
    wallet: str
    in_wallet: bool
    amount: int
    currency: str
    reason: str
    evidence_due_by: datetime | None = None
    movements: list[Movement] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)
    write_off: WriteOff | None = None
    observed_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status not in CLOSED

    @property
    def withdrawn(self) -> int:
        """What was taken so far."""
        return -sum(movement.amount for movement in self.movements if movement.amount < 0)

    @property
    def reinstated(self) -> int:
        """What came back so far."""
        return sum(movement.amount for movement in self.movements if movement.amount > 0)

    @property
    def outstanding(self) -> int:
        """What was taken and has not come back."""
        return max(self.withdrawn - self.reinstated, 0)

    @property
    def written_off(self) -> int:
        return 0 if self.write_off is None else self.write_off.amount

    @property
    def unrecovered(self) -> int:
        """What was written off and not made good since."""
        return self.written_off - sum(movement.recovered for movement in self.movements)

    def movement(self, movement_id: str) -> Movement | None:
        return next((movement for movement in self.movements if movement.id == movement_id), None)

    class Settings:
        name = "disputes"
        indexes: ClassVar = [
            DUE_INDEX,
            IndexModel([("stripe_id", ASCENDING)], unique=True, name="stripe_id"),
            IndexModel([("deposit", ASCENDING)], name="deposit"),
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel(
                [("owner", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)], name="owner_status"
            ),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            *money_indexes(),
        ]
