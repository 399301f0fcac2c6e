"""Stripe's events about refunds: asked for here, made there, or of what was not agreed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import deposits, gateway, inbox
from domain.gateway import Refused
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.refunds import facts, reads
from domain.runtime import Runtime


@dataclass(frozen=True)
class RefundFact:
    refund: gateway.Refund
    observed_at: datetime


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> RefundFact:
    """The refund as it is: one that has succeeded may still fail, days later."""
    return await read(runtime, payload["data"]["object"]["id"])


async def read(runtime: Runtime, stripe_id: str) -> RefundFact:
    """The refund at Stripe; what it refunds is credited by then, be its own event lost or late.

    Raises StripeTrouble.
    """
    observed_at = runtime.now()
    refund = await runtime.gateway.refund(stripe_id)
    if refund.payment_intent is not None and not await _is_known(refund):
        await _settle(runtime, refund.payment_intent)
    return RefundFact(refund, observed_at)


async def apply(tx: Tx, runtime: Runtime, event: WebhookEvent, fact: RefundFact) -> Handled:
    told = fact.refund
    if is_of_review(told):
        return await deposits.events.apply_refund(tx, runtime, event, told)
    refund = await facts.find_or_adopt(tx, told, actor=Actor.WEBHOOK)
    if refund is None:
        return await inbox.record_unmatched(tx, event) if told.moved else Handled("nothing moved")
    recorded = await facts.record(tx, refund, told, observed_at=fact.observed_at, actor=Actor.WEBHOOK)
    outcome = f"{refund.id} {refund.status} -> {recorded.status}"
    return Handled(outcome, (refund.id, refund.deposit))


def is_of_review(told: gateway.Refund) -> bool:
    """Whether it sends back what was not agreed: a deposit's own business, for it is in no wallet."""
    return "resolution_id" in told.metadata


async def _is_known(told: gateway.Refund) -> bool:
    known = "refund_id" in told.metadata or is_of_review(told)
    return known or await reads.find_sent(told.id) is not None


async def _settle(runtime: Runtime, payment_intent_id: str) -> None:
    """What was refunded was paid, though nobody may have told us yet."""
    deposit = await deposits.find_by_intent(payment_intent_id)
    if deposit is not None and deposit.is_settled:
        return
    observed_at = runtime.now()
    try:
        intent = await runtime.gateway.payment_intent(payment_intent_id)
    except Refused:
        return  # not ours to read: then it is no deposit's
    await deposits.settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)
