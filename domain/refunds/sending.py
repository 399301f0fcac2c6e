"""Sending a refund: Stripe is asked for it by the machinery that sends everything."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domain import deposits, gateway
from domain import sending as machinery
from domain.gateway import Attempt
from domain.gateway.amounts import to_stripe
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor, Failure, move
from domain.refunds import facts, reads
from domain.refunds.documents import Refund, RefundStatus
from domain.runtime import Runtime
from domain.sending import CLOCK_SLACK, Errand, Terms, attempt_for, is_startable

S = RefundStatus
TERMS: Final = Terms(
    unreachable=Failure(
        code="provider_unavailable",
        message="The payment provider could not be reached, and nothing was refunded. The money is back.",
    )
)


async def send(runtime: Runtime, refund_id: str) -> None:
    """Have Stripe make it, or go on asking what became of it. Raises CircuitOpen: nothing was begun."""
    await machinery.send(runtime, ERRAND, refund_id)


async def record(
    runtime: Runtime,
    refund_id: str,
    told: gateway.Refund,
    *,
    observed_at: datetime,
    actor: Actor,
    reason: str | None = None,
) -> Refund:
    """Write what Stripe says of `told`, which is this refund, unless another is known to be it."""

    async def work(tx: Tx) -> Refund:
        refund = await reads.get(refund_id, tx)
        if refund.sent is not None and refund.sent.id != told.id:
            other = await facts.find_or_adopt(tx, told, actor=actor)
            if other is None:
                return refund
            refund = other
        return await facts.record(tx, refund, told, observed_at=observed_at, actor=actor, reason=reason)

    return await runtime.database.transact(work)


async def _start(runtime: Runtime, tx: Tx, refund: Refund) -> Refund | None:
    """PROCESSING, with its attempt; or why it cannot be sent now, and when it is looked at again."""
    deposit = await deposits.get(refund.deposit, tx)
    if any(reclaim.blocks for reclaim in deposit.reclaims):
        # Stripe refunds nothing of a disputed charge, and the bank may take it all.
        await facts.give_back(tx, refund, S.CANCELED, actor=Actor.WORKER, reason="the deposit is disputed")
        return None
    if deposit.refunded + deposit.disputed > deposit.paid.amount:
        # Somebody was quicker, at Stripe, which would refuse it. What the wallet owes for that is held here.
        await facts.give_back(tx, refund, S.CANCELED, actor=Actor.WORKER, reason="it has gone back already")
        return None
    # Whatever freezes the wallet wakes no refund when it ends: it is looked at as often as the sweep comes.
    if not await is_startable(tx, refund, look_in=runtime.policy.recheck):
        return None
    parameters = {
        "payment_intent": refund.payment_intent,
        "amount": to_stripe(Money(refund.amount, refund.currency)),
        "reason": "requested_by_customer",
        "metadata": {"refund_id": refund.id, "user_id": refund.owner},
    }
    changes: dict[str, Any] = {
        **attempt_for(runtime, refund, step=f"refund:{refund.id}:create", parameters=parameters),
        # A worker that dies from here on is succeeded by the sweep.
        "next_attempt_at": tx.now + runtime.policy.lease,
    }
    return await move(tx, refund, S.PROCESSING, actor=Actor.WORKER, changes=changes)


async def _create(runtime: Runtime, attempt: Attempt, lease_until: datetime) -> gateway.Refund:
    return await runtime.gateway.create_refund(attempt, lease_until=lease_until)


async def _find(runtime: Runtime, refund: Refund, attempt: Attempt) -> gateway.Refund | None:
    return await runtime.gateway.find_refund(
        payment_intent=refund.payment_intent,
        amount=Money(refund.amount, refund.currency),
        since=attempt.made_at - CLOCK_SLACK,
        metadata={"refund_id": refund.id},
    )


async def _record(runtime: Runtime, refund_id: str, told: gateway.Refund) -> None:
    """What the answer says may be old by now; the events that follow it are asked about anew."""
    refund = await reads.get(refund_id)
    # Where the question is gone, somebody else has heard since: this is older than whatever that was.
    asked_at = refund.created_at if refund.attempt is None else refund.attempt.made_at
    await record(runtime, refund_id, told, observed_at=asked_at, actor=Actor.WORKER)


async def _fail(tx: Tx, refund: Refund, reason: str, changes: Mapping[str, Any]) -> Refund:
    return await facts.give_back(tx, refund, S.FAILED, actor=Actor.WORKER, reason=reason, changes=changes)


ERRAND: Final = Errand(
    noun="refund",
    needs_review="REFUND_NEEDS_REVIEW",
    waits_for_funds="REFUND_WAITS_FOR_FUNDS",
    model=Refund,
    terms=TERMS,
    start=_start,
    create=_create,
    find=_find,
    record=_record,
    give_back=_fail,
)
