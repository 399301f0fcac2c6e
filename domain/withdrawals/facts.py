"""What Stripe did about a withdrawal, written down. A fact about money is never ignored."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from domain import ledger
from domain.gateway import Payout, Transfer
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, Failure, move
from domain.withdrawals import postings
from domain.withdrawals.documents import (
    GIVEN_BACK,
    BankPayout,
    PartReversed,
    SentTransfer,
    Withdrawal,
    WithdrawalStatus,
)
from domain.withdrawals.reads import due_while_sent

S = WithdrawalStatus
_NO_QUESTION: Final[dict[str, Any]] = {
    "attempt": None,
    "lease_until": None,
    "failure": None,
    "hindrance": None,
    "hindered_since": None,
    "expected_at": None,
    "alerted": False,
}
# Stripe's word for a payout -> the withdrawal's state. Every other word means that it is on its way.
_BANK: Final = {"paid": S.PAID, "failed": S.PAYOUT_FAILED, "canceled": S.PAYOUT_FAILED}


async def record_transfer(
    tx: Tx,
    withdrawal: Withdrawal,
    transfer: Transfer,
    *,
    actor: Actor,
    by: str | None = None,
    reason: str | None = None,
) -> Withdrawal:
    """Book that `transfer` was made, and whatever of it came back. The same again changes nothing.

    The caller has found that it is this withdrawal's. One in another currency cannot be, whatever it says:
    it raises an alert, and the money stays where the reading of Stripe's balance books it.
    """
    if transfer.amount.currency != withdrawal.currency:
        facts = {"withdrawal": withdrawal.id, "transfer": transfer.id}
        tx.after_commit.append(partial(alert, "TRANSFER_IN_ANOTHER_CURRENCY", **facts))
        return withdrawal
    if withdrawal.transfer(transfer.id) is None:
        withdrawal = await _sent(tx, withdrawal, transfer, actor=actor, by=by, reason=reason)
    return await _came_back(tx, withdrawal, transfer, actor=actor)


async def record_payout(
    tx: Tx,
    withdrawal: Withdrawal,
    payout: Payout,
    *,
    sources: Sequence[str],
    observed_at: datetime,
    actor: Actor,
) -> Withdrawal:
    """Write how the bank stands. An older answer than what is known, or an overtaken payout, moves nothing.

    `sources`: what Stripe lists in the payout: our transfer's payment, or a failed payout of this withdrawal.
    """
    payouts = list(withdrawal.payouts)
    known = next((number for number, told in enumerate(payouts) if told.id == payout.id), None)
    told = BankPayout(
        id=payout.id,
        status=payout.status,
        arrives_at=payout.arrives_at,
        failure_code=payout.failure_code,
        failure_message=payout.failure_message,
        created_at=payout.created_at,
        observed_at=observed_at,
    )
    if known is not None:
        if observed_at <= payouts[known].observed_at or _says_the_same(payouts[known], told):
            return withdrawal
        payouts[known] = told
    elif payouts and not _succeeds(payout, payouts[-1], withdrawal, sources):
        return withdrawal
    else:
        payouts.append(told)
    changes: dict[str, Any] = {"payouts": _dumped(payouts)}
    status = _BANK.get(payouts[-1].status, withdrawal.status)
    if withdrawal.status not in {S.IN_TRANSIT, S.PAID, S.PAYOUT_FAILED} or status is withdrawal.status:
        return await move(tx, withdrawal, withdrawal.status, actor=actor, changes=changes)
    if status is S.PAID:
        return await move(tx, withdrawal, status, actor=actor, changes=changes | {"failure": None})
    failure = _bank_failure(payouts[-1])
    changes |= {"failure": failure.model_dump(), "next_attempt_at": due_while_sent(tx.now)}
    return await move(tx, withdrawal, status, actor=actor, reason=failure.code, changes=changes)


async def _sent(
    tx: Tx, withdrawal: Withdrawal, transfer: Transfer, *, actor: Actor, by: str | None, reason: str | None
) -> Withdrawal:
    """The hold is settled by the first transfer that is what was asked for; any other was found."""
    as_asked = transfer.amount.amount == withdrawal.amount
    sent = SentTransfer(
        id=transfer.id,
        amount=transfer.amount.amount,
        payment=transfer.destination_payment,
        found=not (withdrawal.holds_money and as_asked),
    )
    moves_on = not sent.found or withdrawal.status in GIVEN_BACK
    changes: dict[str, Any] = {"transfers": _dumped([*withdrawal.transfers, sent])}
    if moves_on:
        changes |= _NO_QUESTION | {
            "account": transfer.destination or withdrawal.account,
            "sent_at": withdrawal.sent_at or transfer.created_at,
            "next_attempt_at": due_while_sent(tx.now),
        }
    read_before = await ledger.has_entries(tx, transfer.id)
    entry = postings.sent(withdrawal, sent, read_before=read_before, actor=actor.value)
    await ledger.post(tx, entry)
    if sent.found:
        facts = {"withdrawal": withdrawal.id, "transfer": transfer.id, "amount": sent.amount}
        tx.after_commit.append(partial(alert, "TRANSFER_FOUND_SENT", **facts))
    status = S.IN_TRANSIT if moves_on else withdrawal.status
    if sent.found:
        reason = "a transfer was found at Stripe"
    return await move(tx, withdrawal, status, actor=actor, by=by, reason=reason, changes=changes)


async def _came_back(tx: Tx, withdrawal: Withdrawal, transfer: Transfer, *, actor: Actor) -> Withdrawal:
    """Each reversal is booked by itself, in their order: one movement of Stripe's, one entry."""
    known = withdrawal.transfer(transfer.id)
    if known is None or len(transfer.reversals) <= len(known.reversals):
        return withdrawal
    parts = [PartReversed(id=reversal.id, amount=reversal.amount.amount) for reversal in transfer.reversals]
    now_known = known.model_copy(update={"reversals": parts})
    for number in range(len(known.reversals), len(parts)):
        entry = postings.came_back(
            withdrawal,
            now_known,
            number,
            read_before=await ledger.has_entries(tx, parts[number].id),
            actor=actor.value,
        )
        await ledger.post(tx, entry)
    transfers = [now_known if sent.id == now_known.id else sent for sent in withdrawal.transfers]
    wholly = all(sent.reversed == sent.amount for sent in transfers)
    status = S.REVERSED if wholly and withdrawal.machine.allows(withdrawal.status, S.REVERSED) else None
    changes = {"transfers": _dumped(transfers)}
    return await move(tx, withdrawal, status or withdrawal.status, actor=actor, changes=changes)


def _succeeds(payout: Payout, last: BankPayout, withdrawal: Withdrawal, sources: Sequence[str]) -> bool:
    """Whether it makes good the last one: Stripe lists that in it, or it was made by hand for this, later."""
    by_hand = payout.metadata.get("withdrawal_id") == withdrawal.id
    return last.id in sources or (by_hand and payout.created_at > last.created_at)


def _bank_failure(payout: BankPayout) -> Failure:
    return Failure(
        code=payout.failure_code or f"payout_{payout.status}",
        message=payout.failure_message or "The bank did not take the payout.",
    )


def _says_the_same(known: BankPayout, told: BankPayout) -> bool:
    return known.model_copy(update={"observed_at": told.observed_at}) == told


def _dumped(parts: Sequence[BaseModel]) -> list[dict[str, Any]]:
    return [part.model_dump() for part in parts]
