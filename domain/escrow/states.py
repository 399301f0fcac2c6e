"""An escrow's states, and the arrows between them."""

from enum import StrEnum

from domain.escrow.fees import MoveKind, Progress, Terms, rest
from domain.kernel.machine import Machine


class EscrowStatus(StrEnum):
    FUNDED = "FUNDED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_RELEASED = "PARTIALLY_RELEASED"
    RELEASED = "RELEASED"
    REFUNDED = "REFUNDED"
    SPLIT = "SPLIT"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    DISPUTED = "DISPUTED"


S = EscrowStatus
SETTLED = frozenset({S.RELEASED, S.REFUNDED, S.SPLIT, S.REJECTED, S.EXPIRED, S.CANCELED})
# Accepted, and something is left.
RUNNING = frozenset({S.ACCEPTED, S.PARTIALLY_RELEASED, S.DISPUTED})

# FUNDED ──> ACCEPTED                                  (contractor; never after its time)
#    └─────> REJECTED | CANCELED | EXPIRED | REFUNDED  (contractor | customer | sweep | admin: all comes back)
# ACCEPTED ──> PARTIALLY_RELEASED                      (something released, something left)
#    └──────────┴──> DISPUTED ──> PARTIALLY_RELEASED   (an admin releases a part: the job goes on)
#    └──────────┴───────┴──> RELEASED | REFUNDED | SPLIT   (nothing left: all released | all refunded | both)
MACHINE = Machine(
    arrows={
        S.FUNDED: {S.ACCEPTED, S.REJECTED, S.CANCELED, S.EXPIRED, S.REFUNDED},
        S.ACCEPTED: {S.PARTIALLY_RELEASED, S.RELEASED, S.REFUNDED, S.SPLIT, S.DISPUTED},
        S.PARTIALLY_RELEASED: {S.RELEASED, S.SPLIT, S.DISPUTED},
        S.DISPUTED: {S.PARTIALLY_RELEASED, S.RELEASED, S.REFUNDED, S.SPLIT},
    },
    settled=SETTLED,
    final=SETTLED,
)


def status_after(status: EscrowStatus, kind: MoveKind, terms: Terms, progress: Progress) -> EscrowStatus:
    """Where a step of `kind` leads that made this progress. A part that is refunded leads nowhere."""
    if rest(terms, progress):
        return S.PARTIALLY_RELEASED if kind is MoveKind.RELEASE else status
    if progress.released and progress.refunded:
        return S.SPLIT
    return S.RELEASED if progress.released else S.REFUNDED
