"""A job's money: locked when the job is agreed, released or refunded by steps that add up."""

from domain.escrow import audit
from domain.escrow.documents import Escrow, EscrowMove
from domain.escrow.fees import WHOLE_BPS, MoveKind, Progress, Step, Terms, step
from domain.escrow.fees import locked as locked_of
from domain.escrow.parties import Asker, side_of
from domain.escrow.payments import (
    RefundEscrow,
    ReleaseEscrow,
    ResolveEscrow,
    refund,
    release,
    resolve,
)
from domain.escrow.reads import (
    EscrowSide,
    accounts,
    find,
    find_many,
    find_move,
    locked,
    locked_in,
    moves_of,
    page,
    page_of,
    turned_over,
    waiting_for,
)
from domain.escrow.service import Answered, CreateEscrow, accept, cancel, create, dispute, reject
from domain.escrow.states import MACHINE, EscrowStatus
from domain.escrow.upkeep import claim_next, expire

DOCUMENTS = (Escrow, EscrowMove)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "WHOLE_BPS",
    "Answered",
    "Asker",
    "CreateEscrow",
    "Escrow",
    "EscrowMove",
    "EscrowSide",
    "EscrowStatus",
    "MoveKind",
    "Progress",
    "RefundEscrow",
    "ReleaseEscrow",
    "ResolveEscrow",
    "Step",
    "Terms",
    "accept",
    "accounts",
    "audit",
    "cancel",
    "claim_next",
    "create",
    "dispute",
    "expire",
    "find",
    "find_many",
    "find_move",
    "locked",
    "locked_in",
    "locked_of",
    "moves_of",
    "page",
    "page_of",
    "refund",
    "reject",
    "release",
    "resolve",
    "side_of",
    "step",
    "turned_over",
    "waiting_for",
]
