"""Stripe's events about money out: transfers of the platform, payouts of connected accounts."""

from collections.abc import Mapping
from typing import Any

from domain import inbox, onboarding
from domain.gateway import Transfer
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.onboarding import ConnectAccountStatus
from domain.runtime import Runtime
from domain.withdrawals import bank, facts, reads
from domain.withdrawals.bank import ToldPayout


async def gather_transfer(runtime: Runtime, payload: Mapping[str, Any]) -> Transfer:
    """The transfer as it is, with all of its reversals: the event may be old."""
    return await runtime.gateway.transfer(payload["data"]["object"]["id"])


async def apply_transfer(tx: Tx, _runtime: Runtime, event: WebhookEvent, transfer: Transfer) -> Handled:
    withdrawal = await reads.of_transfer(tx, transfer.id, transfer.metadata.get("withdrawal_id"))
    if withdrawal is None:
        return await inbox.record_unmatched(tx, event)
    recorded = await facts.record_transfer(tx, withdrawal, transfer, actor=Actor.WEBHOOK)
    return Handled(f"{withdrawal.id} {withdrawal.status} -> {recorded.status}", (withdrawal.id,))


async def gather_payout(runtime: Runtime, payload: Mapping[str, Any]) -> ToldPayout | None:
    """None for an account that has shut us out meanwhile: Stripe would answer 403 for ever."""
    account = await onboarding.find_by_stripe_id(payload["account"])
    if account is not None and account.status is ConnectAccountStatus.DISCONNECTED:
        return None
    return await bank.read(runtime, payload["account"], payload["data"]["object"]["id"])


async def apply_payout(tx: Tx, _runtime: Runtime, _event: WebhookEvent, told: ToldPayout | None) -> Handled:
    if told is None:
        return Handled("its account lets us in no more")
    covered = await bank.record(tx, told=told, actor=Actor.WEBHOOK)
    # Of a payout whose sources Stripe does not list yet, nothing is known; the event that says so comes.
    return Handled(" ".join(covered) or "covers no withdrawal that is known", tuple(covered))
