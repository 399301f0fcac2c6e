"""What an adjustment would write, told by what writes it: nothing here is computed a second time."""

from dataclasses import dataclass
from datetime import datetime

from domain import ledger
from domain.adjustments import postings
from domain.adjustments.documents import Adjustment, AdjustmentKind, AdjustmentStatus
from domain.kernel.errors import DomainError, InsufficientFunds, InvalidInput
from domain.kernel.money import MINOR_UNITS_MAX
from domain.kernel.operations import Blocker
from domain.ledger import FreezeCause, NewEntry, Wallet, WalletState


@dataclass(frozen=True)
class Preview:
    """The entry, and the wallet after it. `waits`: a second administrator must confirm it first."""

    entry: NewEntry
    wallet: WalletState
    waits: bool


def preview(adjustment: Adjustment, wallet: Wallet, *, at: datetime) -> Preview:
    """As if it were posted at that instant, to the wallet as it is.

    Raises InsufficientFunds (below zero), InvalidInput (more than is owed, or than can be counted).
    """
    _check(adjustment, wallet)
    entry = postings.posted(adjustment)
    after, _ = ledger.foresee(wallet, entry, at=at)
    return Preview(entry, after, waits=adjustment.status is AdjustmentStatus.AWAITING_CONFIRMATION)


def waiting_for(adjustment: Adjustment, wallet: Wallet, *, at: datetime) -> Blocker | None:
    """What it waits for: another administrator, and first what it would not be posted for now."""
    if adjustment.status is not AdjustmentStatus.AWAITING_CONFIRMATION:
        return None
    try:
        preview(adjustment, wallet, at=at)
    except InsufficientFunds:
        return Blocker("INSUFFICIENT_FUNDS", "The wallet does not have that much now.")
    except DomainError as error:
        return Blocker("NOT_POSSIBLE", error.message)
    return Blocker("CONFIRMATION", "Another administrator must confirm it.")


def _check(adjustment: Adjustment, wallet: Wallet) -> None:
    """What the books do not know of. Raises InvalidInput."""
    disputed = any(freeze.cause is FreezeCause.DISPUTE for freeze in wallet.freezes)
    if adjustment.kind is AdjustmentKind.WRITE_OFF and disputed:
        # What its bank gives back would be the owner's then, a second time.
        raise InvalidInput(
            "A payment into this wallet is disputed: write off the dispute, or wait for its end.",
            path=["kind"],
        )
    most = wallet.uncovered
    if adjustment.kind is AdjustmentKind.WRITE_OFF and not 0 < adjustment.amount <= most:
        raise InvalidInput(f"Of this wallet's debt, up to {most} can be written off.", path=["amount"])
    if wallet.available + adjustment.amount > MINOR_UNITS_MAX:
        raise InvalidInput("The wallet would hold more than can be counted.", path=["amount"])
