"""What is due of a refund: it is sent, asked about, or read at Stripe while it is pending there."""

from typing import Any

from domain.gateway import StripeTrouble
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.refunds import sending
from domain.refunds.documents import Refund
from domain.refunds.reads import due_while_pending
from domain.runtime import Runtime
from domain.sending import Hindrance, claim, postpone


async def claim_next(runtime: Runtime) -> Refund | None:
    """The refund that is due longest, leased to the caller."""
    return await claim(runtime, Refund)


async def go_on(runtime: Runtime, refund_id: str) -> None:
    """Do what is due of it, unless that is being done, or nothing is."""
    refund = await claim(runtime, Refund, refund_id)
    if refund is not None:
        await look_again(runtime, refund)


async def look_again(runtime: Runtime, refund: Refund) -> None:
    """Send it or ask about it; once it is made, read what became of it."""
    try:
        if refund.sent is None:
            await sending.send(runtime, refund.id)
        else:
            await _read(runtime, refund, refund.sent.id)
    except StripeTrouble as trouble:
        # Logged and counted by the gateway. Nothing was begun, and this look is not one of the retries.
        await postpone(runtime, refund, trouble.retry_after or runtime.policy.recheck)


async def wake_for_funds(tx: Tx) -> int:
    """Stripe says that money of the platform's became available. How many waited for it."""
    woken = await Refund.get_pymongo_collection().update_many(
        {"hindrance": Hindrance.FUNDS.value}, {"$set": {"next_attempt_at": tx.now}}, session=tx.session
    )
    return woken.modified_count


async def _read(runtime: Runtime, refund: Refund, stripe_id: str) -> None:
    """For events that were lost."""
    observed_at = runtime.now()
    told = await runtime.gateway.refund(stripe_id)
    read = await sending.record(runtime, refund.id, told, observed_at=observed_at, actor=Actor.WORKER)
    if read.is_settled or read.version != refund.version:
        return
    due: dict[str, Any] = {"next_attempt_at": due_while_pending(runtime.now())}
    await Refund.get_pymongo_collection().update_one(
        {"_id": refund.id, "version": refund.version}, {"$set": due}
    )
