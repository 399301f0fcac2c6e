"""A contractor's account at Stripe Connect: where money leaves to."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.gateway import Attempt
from domain.kernel.due import DUE_INDEX
from domain.kernel.machine import Machine
from domain.kernel.operations import IDEMPOTENCY_INDEX, Operation


class ConnectAccountStatus(StrEnum):
    INCOMPLETE = "INCOMPLETE"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    IN_REVIEW = "IN_REVIEW"
    ACTIVE = "ACTIVE"
    PAYOUTS_DISABLED = "PAYOUTS_DISABLED"
    REJECTED = "REJECTED"
    DISCONNECTED = "DISCONNECTED"


S = ConnectAccountStatus
OVER = frozenset({S.REJECTED, S.DISCONNECTED})
_ALL = frozenset(S)

# INCOMPLETE, IN_REVIEW, ACTION_REQUIRED, ACTIVE, PAYOUTS_DISABLED: each <-> each, as Stripe says
#     any <-> REJECTED          (back only as Stripe says, while its owner has no other)
#     any ──> DISCONNECTED      (we are not let in any more)
MACHINE = Machine(
    arrows={status: _ALL - {status} for status in _ALL - {S.DISCONNECTED}},
    settled=OVER,
    final={S.DISCONNECTED},
)


class RequirementError(BaseModel):
    """Why what was handed in did not do, in Stripe's words."""

    requirement: str
    code: str
    reason: str


class ConnectAccount(Operation[ConnectAccountStatus]):
    """`stripe_id` is null until Stripe has answered under the attempt's key.

    `live`: not over. Each owner has at most one that is, by an index.
    `withdrawals_enabled`: money may leave to it, which can be so while something is due.
    `observed_at`: when Stripe was asked for what is stored here; an older answer is not written over it.
    `guard` counts what begins to wait for it, so that a change conflicts, and has seen what it must wake.
    """

    machine = MACHINE

    country: str
    live: bool = True
    stripe_id: str | None = None
    attempt: Attempt
    withdrawals_enabled: bool = False
    payouts_enabled: bool = False
    details_submitted: bool = False
    requirements_due: list[str] = Field(default_factory=list)
    requirement_errors: list[RequirementError] = Field(default_factory=list)
    future_requirements_due: list[str] = Field(default_factory=list)
    requirements_deadline: datetime | None = None
    disabled_reason: str | None = None
    observed_at: datetime | None = None
    guard: int = 0

    @property
    def is_unanswered(self) -> bool:
        """Whether Stripe was meant to make it, and has not said yet that it has, or that it will not."""
        return self.stripe_id is None and not self.is_settled

    class Settings:
        name = "connect_accounts"
        indexes: ClassVar = [
            DUE_INDEX,
            IndexModel(
                [("owner", ASCENDING)],
                unique=True,
                name="one_live",
                partialFilterExpression={"live": True},
            ),
            IndexModel(
                [("owner", ASCENDING), ("_id", DESCENDING)],
                name="ended",
                partialFilterExpression={"live": False},
            ),
            IDEMPOTENCY_INDEX,
            IndexModel(
                [("stripe_id", ASCENDING)],
                unique=True,
                name="stripe_id",
                # Any text, and no null. MongoDB does not see that an equality implies {"$type": "string"}.
                partialFilterExpression={"stripe_id": {"$gt": ""}},
            ),
        ]
