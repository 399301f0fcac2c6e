"""An adjustment's entry: one posting, from the platform's account or back to it."""

from typing import Final

from domain.adjustments.documents import Adjustment, AdjustmentKind
from domain.kernel.operations import Actor
from domain.ledger import Account, Kind, NewEntry, Platform, Posting

_COUNTERPART: Final = {
    AdjustmentKind.CORRECTION: Account.platform(Platform.ADJUSTMENTS),
    AdjustmentKind.WRITE_OFF: Account.platform(Platform.LOSSES),
}


def posted_ref(adjustment_id: str) -> str:
    return f"adjustment:{adjustment_id}:posted"


def posted(adjustment: Adjustment) -> NewEntry:
    platform, wallet = _COUNTERPART[adjustment.kind], Account.available(adjustment.wallet)
    source, destination = (platform, wallet) if adjustment.amount > 0 else (wallet, platform)
    return NewEntry(
        ref=posted_ref(adjustment.id),
        kind=Kind.ADJUSTMENT,
        currency=adjustment.currency,
        postings=[Posting(source, destination, abs(adjustment.amount))],
        operation=adjustment.id,
        actor=Actor.ADMIN.value,
    )
