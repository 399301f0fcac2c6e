"""What events have not told: open disputes are read again, and new ones are looked for at Stripe."""

from datetime import datetime, timedelta
from typing import Final

from domain import withdrawals
from domain.disputes import facts, reads
from domain.disputes.documents import Dispute
from domain.disputes.facts import Told
from domain.gateway import StripeTrouble
from domain.kernel.database import Tx, parse
from domain.kernel.due import claim_due
from domain.kernel.operations import Actor
from domain.runtime import Runtime

# Stripe repeats an event for three days; one that has not come by then is lost.
LISTED_FOR: Final = timedelta(days=7)


async def claim_next(runtime: Runtime) -> Dispute | None:
    """The dispute that is due longest, leased to the caller."""
    collection = Dispute.get_pymongo_collection()
    row = await claim_due(collection, now=runtime.now(), lease=runtime.policy.lease)
    return None if row is None else parse(Dispute, row)


async def look_again(runtime: Runtime, dispute: Dispute) -> None:
    """Read it at Stripe, as an event would have it read."""
    try:
        told = await facts.read(runtime, dispute.stripe_id, actor=Actor.WORKER)
    except StripeTrouble as trouble:
        # Logged and counted by the gateway.
        await _postpone(runtime, dispute, trouble.retry_after or runtime.policy.recheck)
        return
    await record(runtime, told)


async def find_new(runtime: Runtime) -> None:
    """Record the disputes of Stripe's list that are not here: an inquiry moves no money that would tell.

    Raises StripeTrouble: the rest is found next time.
    """
    observed_at = runtime.now()
    for dispute in await runtime.gateway.disputes(since=observed_at - LISTED_FOR):
        if await reads.find_by_stripe_id(dispute.id) is None:
            await record(
                runtime, await facts.told(runtime, dispute, observed_at=observed_at, actor=Actor.WORKER)
            )


async def record(runtime: Runtime, told: Told) -> Dispute | None:
    """Write what Stripe says, and ring for what that has set free."""

    async def work(tx: Tx) -> Dispute | None:
        return await facts.record(tx, told, actor=Actor.WORKER)

    dispute = await runtime.database.transact(work)
    if dispute is not None:
        await withdrawals.ring_woken(runtime, dispute.owner)
    return dispute


async def _postpone(runtime: Runtime, dispute: Dispute, pause: timedelta) -> None:
    """Due again after `pause`, unless it was read meanwhile."""
    due: datetime = runtime.now() + pause
    await Dispute.get_pymongo_collection().update_one(
        {"_id": dispute.id, "next_attempt_at": dispute.next_attempt_at}, {"$set": {"next_attempt_at": due}}
    )
