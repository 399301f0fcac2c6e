"""What is due of a withdrawal: it is sent, asked about, or read at Stripe and at its bank's payouts."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from domain import inbox, onboarding
from domain.gateway import StripeTrouble
from domain.inbox import FindingKind
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, move
from domain.onboarding import ConnectAccountStatus
from domain.runtime import Runtime
from domain.sending import CLOCK_SLACK, claim, postpone
from domain.withdrawals import bank, reads, sending
from domain.withdrawals.documents import SENT, Withdrawal

LINKED_WITHIN: Final = timedelta(days=10)


async def claim_next(runtime: Runtime) -> Withdrawal | None:
    """The withdrawal that is due longest, leased to the caller."""
    return await claim(runtime, Withdrawal)


async def go_on(runtime: Runtime, withdrawal_id: str) -> None:
    """Do what is due of it, unless that is being done, or nothing is."""
    withdrawal = await claim(runtime, Withdrawal, withdrawal_id)
    if withdrawal is not None:
        await look_again(runtime, withdrawal)


async def look_again(runtime: Runtime, withdrawal: Withdrawal) -> None:
    """Send it or ask about it; once it is sent, read what became of it."""
    try:
        if withdrawal.status in SENT:
            await _read(runtime, withdrawal)
        else:
            await sending.send(runtime, withdrawal.id)
    except StripeTrouble as trouble:
        # Logged and counted by the gateway. Nothing was begun, and this look is not one of the retries.
        await postpone(runtime, withdrawal, trouble.retry_after or runtime.policy.recheck)


async def _read(runtime: Runtime, withdrawal: Withdrawal) -> None:
    """For events that were lost: its transfers, and the payouts of its account since."""
    for sent in withdrawal.transfers:
        transfer = await runtime.gateway.transfer(sent.id)
        await sending.record(runtime, withdrawal.id, transfer, actor=Actor.WORKER)
    await _read_payouts(runtime, withdrawal)

    async def work(tx: Tx) -> None:
        current = await reads.get(withdrawal.id, tx)
        if current.is_settled or current.status not in SENT:
            return
        changes: dict[str, Any] = {"next_attempt_at": reads.due_while_sent(tx.now)}
        if not current.alerted and _is_unlinked(current, tx.now):
            changes["alerted"] = True
            await inbox.record_finding(
                tx,
                FindingKind.PAYOUT_NOT_LINKED,
                about=current.id,
                object_id=current.transfers[0].id,
                operation=current.id,
            )
            tx.after_commit.append(partial(alert, FindingKind.PAYOUT_NOT_LINKED, withdrawal=current.id))
        await move(tx, current, current.status, actor=Actor.WORKER, changes=changes)

    await runtime.database.transact(work)


async def _read_payouts(runtime: Runtime, withdrawal: Withdrawal) -> None:
    """The oldest first, as they happened."""
    account = None if withdrawal.account is None else await onboarding.find_by_stripe_id(withdrawal.account)
    if account is None or account.stripe_id is None or withdrawal.sent_at is None:
        return
    if account.status is ConnectAccountStatus.DISCONNECTED:
        return  # Stripe shows us nothing of it any more
    since = withdrawal.sent_at if withdrawal.payout is None else withdrawal.payout.created_at
    for payout in await runtime.gateway.payouts(account.stripe_id, since=since - CLOCK_SLACK):
        told = await bank.read(runtime, account.stripe_id, payout.id)
        await runtime.database.transact(partial(bank.record, told=told, actor=Actor.WORKER))


def _is_unlinked(withdrawal: Withdrawal, now: datetime) -> bool:
    sent_at = withdrawal.sent_at
    return withdrawal.payout is None and sent_at is not None and now - sent_at >= LINKED_WITHIN
