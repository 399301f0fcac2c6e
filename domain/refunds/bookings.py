"""Which entry of a refund a movement of Stripe's balance is about, for whoever reads that balance."""

from dataclasses import dataclass

from domain.gateway import Refused
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.refunds import events, facts, postings, reads
from domain.refunds.documents import Refund
from domain.runtime import Runtime


@dataclass(frozen=True)
class Booking:
    """`amount`, signed, came to Stripe by the entry with the ref `entry`."""

    refund: str
    entry: str
    amount: Money


async def booking_of_refund(runtime: Runtime, stripe_id: str) -> Booking | None:
    """Of what left; None when it is of no deposit in a wallet. Raises StripeTrouble."""
    refund = await reads.find_sent(stripe_id) or await _told(runtime, stripe_id)
    if refund is None or refund.sent is None:
        return None
    entry = postings.sent_ref(refund.id, refund.sent.booked)
    return Booking(refund.id, entry, Money(-refund.amount, refund.currency))


async def booking_of_return(runtime: Runtime, stripe_id: str) -> Booking | None:
    """Of what came back, for it failed. Raises StripeTrouble."""
    refund = await reads.find_sent(stripe_id)
    if refund is None or refund.sent is None or not refund.sent.returned:
        refund = await _told(runtime, stripe_id)
    if refund is None or refund.sent is None or not refund.sent.returned:
        return None
    return Booking(refund.id, postings.returned_ref(refund.id), Money(refund.amount, refund.currency))


async def _told(runtime: Runtime, stripe_id: str) -> Refund | None:
    """The refund, told of what Stripe says by now."""
    try:
        fact = await events.read(runtime, stripe_id)
    except Refused:
        return None
    if events.is_of_review(fact.refund):
        return None

    async def work(tx: Tx) -> Refund | None:
        refund = await facts.find_or_adopt(tx, fact.refund, actor=Actor.WORKER)
        if refund is None:
            return None
        return await facts.record(tx, refund, fact.refund, observed_at=fact.observed_at, actor=Actor.WORKER)

    return await runtime.database.transact(work)
