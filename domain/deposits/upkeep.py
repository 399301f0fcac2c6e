"""What the sweep does with a deposit that is due: whatever was cut off goes on, and what is over ends."""

from datetime import datetime
from typing import Final

from domain.deposits import asking, cancellation, intents, review, sessions
from domain.deposits.documents import Deposit
from domain.gateway import StripeTrouble
from domain.kernel.database import parse
from domain.kernel.due import claim_due
from domain.kernel.operations import Actor
from domain.runtime import Runtime

# Far beyond any longest pause, and far below where a timedelta overflows.
DOUBLINGS_MAX: Final = 20


async def claim_next(runtime: Runtime) -> Deposit | None:
    """The deposit that is due longest, leased to the caller."""
    row = await claim_due(Deposit.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease)
    return None if row is None else parse(Deposit, row)


async def look_again(runtime: Runtime, deposit: Deposit) -> None:
    """Go on asking, cancel, refund, or read at Stripe what became of it."""
    await _schedule(runtime, deposit)
    try:
        await _advance(runtime, deposit)
    except StripeTrouble as trouble:
        # Logged and counted by the gateway; due again by its schedule, or when the trouble says.
        if trouble.retry_after is not None:
            await _postpone(deposit, runtime.now() + trouble.retry_after)


async def _advance(runtime: Runtime, deposit: Deposit) -> None:
    if deposit.refund_under_way is not None:
        await review.carry_out(runtime, deposit)
        return
    if deposit.is_open and _is_over(deposit, runtime.now()):
        deposit = await cancellation.request(
            runtime, deposit.id, by=Actor.WORKER, reason="nobody paid it in time"
        )
    if deposit.cancellation is not None and deposit.is_open:
        await cancellation.carry_out(runtime, deposit)
        return
    deposit = await asking.ensure(runtime, deposit)
    if deposit.is_settled:
        return
    if deposit.checkout is not None and deposit.checkout.session_id is not None:
        fact = await sessions.read(runtime, deposit.checkout.session_id)
        await sessions.settle(runtime, fact, actor=Actor.WORKER)
        return
    if deposit.payment_intent_id is None:
        return
    observed_at = runtime.now()
    intent = await runtime.gateway.payment_intent(deposit.payment_intent_id)
    await intents.settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)


def _is_over(deposit: Deposit, now: datetime) -> bool:
    return deposit.expires_at is not None and deposit.expires_at <= now


async def _schedule(runtime: Runtime, deposit: Deposit) -> None:
    """Due again: one recheck after its making, then ever more rarely, for most are never paid."""
    policy, now = runtime.policy, runtime.now()
    due = now + min(policy.recheck * 2 ** min(deposit.attempts_made, DOUBLINGS_MAX), policy.recheck_max)
    if deposit.expires_at is not None and deposit.expires_at > now:
        due = min(due, deposit.expires_at)
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "next_attempt_at": deposit.next_attempt_at},
        {"$set": {"next_attempt_at": due}, "$inc": {"attempts_made": 1}},
    )


async def _postpone(deposit: Deposit, until: datetime) -> None:
    """Due at `until`, as if this look had not been: unless it is settled meanwhile."""
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "next_attempt_at": {"$type": "date"}},
        {"$set": {"next_attempt_at": until, "attempts_made": deposit.attempts_made}},
    )
