"""An escrow: a job's money, locked until it is released or refunded; and the moves by which it leaves."""

from datetime import datetime
from typing import ClassVar

from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.escrow.fees import MoveKind, Progress, Terms, rest
from domain.escrow.states import MACHINE, RUNNING, EscrowStatus
from domain.kernel.due import DUE_INDEX
from domain.kernel.operations import IDEMPOTENCY_INDEX, Actor, Keyed, Operation
from domain.kernel.search import money_indexes


def _newest_first(name: str, *fields: str) -> IndexModel:
    """Serves pages of what is equal in `fields`."""
    return IndexModel([*((field, ASCENDING) for field in fields), ("_id", DESCENDING)], name=name)


class Escrow(Operation[EscrowStatus]):
    """`owner` is the customer, `wallet` theirs. Amounts in minor units of `currency`, rates in basis points.

    `released`, `refunded`: of the price, so far. `locked`: what is in its account. `moves_made`: how many.
    `contractor_wallet` is known from the acceptance on: before it, nothing can be released.
    """

    machine = MACHINE

    wallet: str
    contractor: str
    contractor_wallet: str | None = None
    job_id: str
    price: int
    currency: str
    platform_fee_bps: int
    service_fee_bps: int
    released: int = 0
    refunded: int = 0
    locked: int
    moves_made: int = 0
    expires_at: datetime

    @property
    def terms(self) -> Terms:
        return Terms(self.price, self.platform_fee_bps, self.service_fee_bps)

    @property
    def progress(self) -> Progress:
        return Progress(released=self.released, refunded=self.refunded)

    @property
    def rest(self) -> int:
        """What is left of the price."""
        return rest(self.terms, self.progress)

    @property
    def is_running(self) -> bool:
        """Whether it was accepted, and something is left."""
        return self.status in RUNNING

    class Settings:
        name = "escrows"
        indexes: ClassVar = [
            DUE_INDEX,
            IDEMPOTENCY_INDEX,
            _newest_first("owner", "owner"),
            _newest_first("owner_status", "owner", "status"),
            _newest_first("contractor", "contractor"),
            _newest_first("contractor_status", "contractor", "status"),
            _newest_first("job", "job_id"),
            _newest_first("status", "status"),
            *money_indexes("price"),
        ]


class EscrowMove(Keyed):
    """One release or refund of an escrow. Never changes once written.

    `number`: its place among the escrow's moves, from 1. `amount`: of the price. `net`: what the receiver's
    wallet got; `fees`: what the platform got. `by`: the person, or "worker".
    """

    escrow: str
    number: int
    kind: MoveKind
    amount: int
    net: int
    fees: int
    currency: str
    actor: Actor
    by: str
    reason: str | None = None
    created_at: datetime

    @property
    def ref(self) -> str:
        """Of its entry."""
        return f"escrow:{self.escrow}:move:{self.id}"

    class Settings:
        name = "escrow_moves"
        indexes: ClassVar = [
            IDEMPOTENCY_INDEX,
            IndexModel([("escrow", ASCENDING), ("number", ASCENDING)], unique=True, name="escrow_number"),
        ]
