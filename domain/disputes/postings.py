"""A dispute's entries: one for each balance transaction of Stripe's, and one for what is written off."""

from typing import Final

from domain.disputes.documents import Dispute, Movement, WriteOff
from domain.ledger import Account, Kind, NewEntry, Platform, Posting

STRIPE: Final = Account.platform(Platform.STRIPE)
UNEXPLAINED: Final = Account.platform(Platform.UNEXPLAINED)
LOSSES: Final = Account.platform(Platform.LOSSES)


def moved_ref(dispute_id: str, movement_id: str) -> str:
    return f"dispute:{dispute_id}:{movement_id}"


def written_off_ref(dispute_id: str) -> str:
    return f"dispute:{dispute_id}:written_off"


def moved(dispute: Dispute, movement: Movement, *, read_before: bool, actor: str) -> NewEntry | None:
    """`read_before`: Stripe's balance was read before anybody knew whose the movement is.

    None where the money is in platform:unexplained by that already, and belongs there.
    """
    stripe = UNEXPLAINED if read_before else STRIPE
    purse = Account.available(dispute.wallet) if movement.in_wallet else UNEXPLAINED
    if stripe == purse:
        return None
    ref = moved_ref(dispute.id, movement.id)
    if movement.amount < 0:
        steps = [Posting(purse, stripe, -movement.amount)]
        return _entry(dispute, ref, Kind.DISPUTE_WITHDRAWN, steps, actor=actor)
    shares = ((LOSSES, movement.recovered), (purse, movement.amount - movement.recovered))
    steps = [Posting(stripe, account, amount) for account, amount in shares if amount]
    return _entry(dispute, ref, Kind.DISPUTE_REINSTATED, steps, actor=actor)


def written_off(dispute: Dispute, write_off: WriteOff, *, actor: str) -> NewEntry:
    step = Posting(LOSSES, Account.available(dispute.wallet), write_off.amount)
    ref = written_off_ref(dispute.id)
    return _entry(dispute, ref, Kind.DISPUTE_WRITTEN_OFF, [step], actor=actor)


def _entry(dispute: Dispute, ref: str, kind: Kind, steps: list[Posting], *, actor: str) -> NewEntry:
    return NewEntry(
        ref=ref,
        kind=kind,
        currency=dispute.currency,
        postings=steps,
        operation=dispute.id,
        actor=actor,
    )
