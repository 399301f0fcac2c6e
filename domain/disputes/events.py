"""Stripe's events about disputes: each only says that one has changed."""

from collections.abc import Mapping
from typing import Any

from domain import inbox, withdrawals
from domain.disputes import facts, reads
from domain.disputes.facts import Told
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.runtime import Runtime


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> Told:
    return await facts.read(runtime, payload["data"]["object"]["id"], actor=Actor.WEBHOOK)


async def apply(tx: Tx, _runtime: Runtime, event: WebhookEvent, told: Told) -> Handled:
    dispute = await facts.record(tx, told, actor=Actor.WEBHOOK)
    if dispute is None:
        return await inbox.record_unmatched(tx, event)
    return Handled(f"{dispute.id} {dispute.status}", (dispute.id, dispute.deposit))


async def after(runtime: Runtime, outcome: str) -> None:
    """Withdrawals may have waited for its end."""
    dispute = await reads.find(outcome.partition(" ")[0])
    if dispute is not None:
        await withdrawals.ring_woken(runtime, dispute.owner)
