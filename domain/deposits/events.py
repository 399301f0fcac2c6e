"""Stripe's events about deposits: what to ask before, and what to write in the inbox's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import inbox
from domain.deposits import facts, receipts, sessions
from domain.deposits.documents import Deposit, DepositStatus
from domain.deposits.facts import PageFact
from domain.gateway import PaymentIntent, Refund
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.runtime import Runtime


@dataclass(frozen=True)
class IntentFact:
    intent: PaymentIntent
    observed_at: datetime


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> IntentFact:
    """The intent as it is. Success is final, so the verified event is enough; anything else may be stale."""
    observed_at = runtime.now()
    told = PaymentIntent.of(payload["data"]["object"])
    if payload["type"] == "payment_intent.succeeded":
        return IntentFact(told, observed_at)
    return IntentFact(await runtime.gateway.payment_intent(told.id), observed_at)


async def apply(tx: Tx, runtime: Runtime, event: WebhookEvent, fact: IntentFact) -> Handled:
    """Write the fact to its deposit."""
    deposit = await facts.find_for(tx, fact.intent)
    if deposit is None:
        return await inbox.record_unmatched(tx, event)
    recorded = await facts.record(
        tx,
        deposit,
        fact.intent,
        observed_at=fact.observed_at,
        actor=Actor.WEBHOOK,
        cipher=runtime.cipher,
    )
    return _told(deposit, recorded.status)


async def gather_page(runtime: Runtime, payload: Mapping[str, Any]) -> PageFact:
    """The page as it is, and its intent: what is paid there is credited by that alone."""
    return await sessions.read(runtime, payload["data"]["object"]["id"])


async def apply_page(tx: Tx, runtime: Runtime, event: WebhookEvent, fact: PageFact) -> Handled:
    """Write the fact to its deposit."""
    deposit = await facts.find_for_page(tx, fact.session)
    if deposit is None:
        return await inbox.record_unmatched(tx, event)
    recorded = await facts.record_page(tx, deposit, fact, actor=Actor.WEBHOOK, cipher=runtime.cipher)
    return _told(deposit, recorded.status)


async def apply_refund(tx: Tx, _runtime: Runtime, event: WebhookEvent, refund: Refund) -> Handled:
    """A refund of what was not agreed, should it have failed after all."""
    deposit = await facts.find_by_id(tx, refund.metadata.get("deposit_id"))
    if deposit is None:
        return await inbox.record_unmatched(tx, event)
    if not refund.came_back:
        return Handled(f"{deposit.id} refund {refund.status}", (deposit.id,))
    recorded = await receipts.returned(tx, deposit, refund)
    return _told(deposit, recorded.status)


def _told(deposit: Deposit, status: DepositStatus) -> Handled:
    return Handled(f"{deposit.id} {deposit.status} -> {status}", (deposit.id,))
