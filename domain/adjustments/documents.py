"""A correction of a wallet by administrators, when what is right no other operation can bring about."""

from enum import StrEnum
from typing import ClassVar

from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.machine import Machine
from domain.kernel.operations import IDEMPOTENCY_INDEX, Operation
from domain.kernel.search import money_indexes


class AdjustmentStatus(StrEnum):
    AWAITING_CONFIRMATION = "AWAITING_CONFIRMATION"
    POSTED = "POSTED"
    REJECTED = "REJECTED"


class AdjustmentKind(StrEnum):
    """What is corrected: a mistake of ours, or a debt that will not be paid."""

    CORRECTION = "CORRECTION"
    WRITE_OFF = "WRITE_OFF"


S = AdjustmentStatus
# AWAITING_CONFIRMATION ──> POSTED        (a second administrator confirmed it)
#           └──> REJECTED                 (nothing ever moved)
MACHINE = Machine(
    arrows={S.AWAITING_CONFIRMATION: {S.POSTED, S.REJECTED}},
    settled={S.POSTED, S.REJECTED},
    final={S.POSTED, S.REJECTED},
)


class Adjustment(Operation[AdjustmentStatus]):
    """`amount`: signed minor units of `currency`; above zero, the wallet gets it. `owner`: the wallet's.

    `asked_by`: the administrator who wants it. `decided_by`: the one who confirmed or rejected it; null
    while it waits, and where the first one's word was enough.
    """

    machine = MACHINE

    wallet: str
    amount: int
    currency: str
    kind: AdjustmentKind
    reason: str
    asked_by: str
    decided_by: str | None = None

    @property
    def is_posted(self) -> bool:
        return self.status is AdjustmentStatus.POSTED

    class Settings:
        name = "adjustments"
        indexes: ClassVar = [
            IDEMPOTENCY_INDEX,
            IndexModel([("owner", ASCENDING), ("_id", DESCENDING)], name="owner"),
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            *money_indexes(),
            IndexModel(
                [("wallet", ASCENDING), ("asked_by", ASCENDING), ("_id", DESCENDING)], name="wallet_asked_by"
            ),
        ]
