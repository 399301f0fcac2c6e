"""Receipts in the books: money that was not agreed leaves platform:unexplained, and may come back to it."""

from functools import partial
from typing import Any

from domain import ledger
from domain.deposits import reads
from domain.deposits.documents import (
    NO_SECRETS,
    Deposit,
    DepositStatus,
    Receipt,
    Resolution,
    ReviewOutcome,
)
from domain.gateway import Refund
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor, move
from domain.ledger import Account, Kind, NewEntry, Platform, Posting

_STRIPE = Account.platform(Platform.STRIPE)
_UNEXPLAINED = Account.platform(Platform.UNEXPLAINED)


async def credit(tx: Tx, deposit: Deposit, receipt: Receipt, resolution: Resolution, wallet: str) -> Deposit:
    """Into the owner's wallet, which is one of the currency that was received."""
    receipt.resolution = resolution.model_copy(update={"done": True})
    await _post(
        tx,
        deposit,
        receipt,
        ref=_resolved_ref(deposit, receipt),
        kind=Kind.DEPOSIT,
        posting=Posting(_UNEXPLAINED, Account.available(wallet), receipt.amount),
    )
    received = deposit.received_with(Money(receipt.amount, receipt.currency))
    return await _settle(tx, deposit, resolution, received)


async def decide_refund(
    tx: Tx, deposit: Deposit, receipt: Receipt, resolution: Resolution, changes: dict[str, Any]
) -> Deposit:
    """Write the decision down; Stripe is asked after that."""
    receipt.resolution = resolution.model_copy()
    changes = {**changes, "receipts": _dumped(deposit)}
    return await move(tx, deposit, deposit.status, actor=Actor.ADMIN, changes=changes)


async def refunded(tx: Tx, deposit_id: str, resolution: Resolution, refund: Refund) -> Deposit:
    """Stripe has made the refund: the money leaves, once."""
    deposit = await reads.get(deposit_id, tx)
    receipt = _decided_by(deposit, resolution)
    if receipt is None:
        return deposit
    receipt.resolution = resolution.model_copy(update={"done": True, "refund_id": refund.id})
    await _post(
        tx,
        deposit,
        receipt,
        ref=_resolved_ref(deposit, receipt),
        kind=Kind.REFUND_SENT,
        posting=Posting(_UNEXPLAINED, _STRIPE, receipt.amount),
    )
    return await _settle(tx, deposit, resolution, {})


async def adopt(tx: Tx, deposit: Deposit, refund: Refund) -> Deposit:
    """Book the refund that is under way, for Stripe shows it before its answer was written; no other."""
    receipt = deposit.refund_under_way
    resolution = None if receipt is None else receipt.resolution
    if resolution is None or resolution.id != refund.metadata.get("resolution_id"):
        return deposit
    return await refunded(tx, deposit.id, resolution, refund)


async def take_back(tx: Tx, deposit_id: str, resolution: Resolution) -> Deposit:
    """Stripe will not refund it, and has not: the receipt waits for another decision."""
    deposit = await reads.get(deposit_id, tx)
    receipt = _decided_by(deposit, resolution)
    if receipt is None:
        return deposit
    receipt.resolution = None
    return await move(tx, deposit, deposit.status, actor=Actor.WORKER, changes=_at_rest(deposit))


async def returned(tx: Tx, deposit: Deposit, refund: Refund) -> Deposit:
    """A refund that failed after it was made: the money is at Stripe again, and waits again."""
    deposit = await adopt(tx, deposit, refund)
    receipt = next((r for r in deposit.receipts if _refund_of(r) == refund.id), None)
    if receipt is None:
        return deposit
    await _post(
        tx,
        deposit,
        receipt,
        ref=deposit.review_ref("returned", receipt.payment_intent_id, refund.id),
        kind=Kind.REFUND_RETURNED,
        posting=Posting(_STRIPE, _UNEXPLAINED, receipt.amount),
    )
    receipt.resolution, receipt.returned = None, refund.id
    tx.after_commit.append(partial(alert, "DEPOSIT_NEEDS_REVIEW", deposit=deposit.id, refund=refund.id))
    settled = deposit.status is DepositStatus.SUCCEEDED
    return await move(
        tx,
        deposit,
        deposit.status if settled else DepositStatus.NEEDS_REVIEW,
        actor=Actor.WEBHOOK,
        reason="the refund failed",
        changes={"receipts": _dumped(deposit)},
    )


def _decided_by(deposit: Deposit, resolution: Resolution) -> Receipt | None:
    """The receipt that this decision is still to be carried out for."""
    receipt = deposit.refund_under_way
    if receipt is None or receipt.resolution is None or receipt.resolution.id != resolution.id:
        return None
    return receipt


def _refund_of(receipt: Receipt) -> str | None:
    return None if receipt.resolution is None else receipt.resolution.refund_id


async def _settle(tx: Tx, deposit: Deposit, resolution: Resolution, changes: dict[str, Any]) -> Deposit:
    """The deposit is resolved when its last receipt is: SUCCEEDED if anything of it was credited."""
    changes = {**changes, **_at_rest(deposit)}
    status = deposit.status
    if status is not DepositStatus.SUCCEEDED and deposit.receipt_waiting is None:
        outcomes = {r.resolution.outcome for r in deposit.receipts if r.resolution is not None}
        credited = ReviewOutcome.CREDIT in outcomes
        status = DepositStatus.SUCCEEDED if credited else DepositStatus.CANCELED
        changes.update(NO_SECRETS)
    return await move(
        tx,
        deposit,
        status,
        actor=Actor.ADMIN,
        by=resolution.by,
        reason=resolution.reason,
        changes=changes,
    )


def _at_rest(deposit: Deposit) -> dict[str, Any]:
    """Nothing is to be asked of Stripe."""
    return {"receipts": _dumped(deposit), "attempt": None, "lease_until": None, "next_attempt_at": None}


def _resolved_ref(deposit: Deposit, receipt: Receipt) -> str:
    return deposit.review_ref("resolved", receipt.payment_intent_id, receipt.returned)


async def _post(
    tx: Tx, deposit: Deposit, receipt: Receipt, *, ref: str, kind: Kind, posting: Posting
) -> None:
    await ledger.post(
        tx,
        NewEntry(
            ref=ref,
            kind=kind,
            currency=receipt.currency,
            postings=[posting],
            operation=deposit.id,
            actor=Actor.ADMIN.value,
        ),
    )


def _dumped(deposit: Deposit) -> list[dict[str, Any]]:
    return [receipt.model_dump() for receipt in deposit.receipts]
