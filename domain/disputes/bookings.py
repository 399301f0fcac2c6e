"""Which entry of a dispute a movement of Stripe's balance is about, for whoever reads that balance."""

from dataclasses import dataclass

from domain.disputes import facts, postings, reads, upkeep
from domain.disputes.documents import Dispute, Movement
from domain.gateway import Refused
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.runtime import Runtime


@dataclass(frozen=True)
class Booking:
    """`amount`, signed, came to Stripe by the entry with the ref `entry`."""

    dispute: str
    entry: str
    amount: Money


async def booking_of(runtime: Runtime, stripe_id: str, movement_id: str) -> Booking | None:
    """Of what a dispute, Stripe's id, has taken or given back; told of it here, where nobody has been.

    None when it is about no deposit of ours, or in another currency than the wallet's. Raises StripeTrouble.
    """
    dispute = await reads.find_by_stripe_id(stripe_id)
    movement = _movement(dispute, movement_id)
    if movement is None:
        try:
            told = await facts.read(runtime, stripe_id, actor=Actor.WORKER)
        except Refused:
            return None
        dispute = await upkeep.record(runtime, told)
        movement = _movement(dispute, movement_id)
    if dispute is None or movement is None:
        return None
    entry = postings.moved_ref(dispute.id, movement.id)
    return Booking(dispute.id, entry, Money(movement.amount, dispute.currency))


def _movement(dispute: Dispute | None, movement_id: str) -> Movement | None:
    return None if dispute is None else dispute.movement(movement_id)
