"""What Stripe did about a refund, written down. A fact about money is never ignored."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from domain import deposits, gateway, ledger
from domain.deposits import Deposit
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, Failure, IdempotencyKey, StatusChange, move
from domain.refunds import postings, reads
from domain.refunds.documents import Refund, RefundOrigin, RefundStatus, SentBy, SentRefund
from domain.sending import CLEARED

S = RefundStatus
_STATUSES: Final = {
    "pending": S.PROCESSING,
    "requires_action": S.REQUIRES_ACTION,
    "succeeded": S.SUCCEEDED,
    "failed": S.FAILED,
    "canceled": S.CANCELED,
}


async def find_or_adopt(tx: Tx, told: gateway.Refund, *, actor: Actor) -> Refund | None:
    """The refund that `told` is, made where it is of a deposit of ours but was not asked for here.

    None when it is of no deposit whose money is in a wallet, moved nothing, or is in a state unknown to us.
    """
    known = await reads.find_sent(told.id, tx)
    if known is not None:
        return known
    claimed = await reads.find(told.metadata.get("refund_id", ""), tx)
    if claimed is not None and is_what_was_asked(claimed, told):
        return claimed
    if told.status not in _STATUSES or (told.came_back and not told.moved):
        return None
    return await _adopt(tx, told, actor=actor)


async def record(
    tx: Tx,
    refund: Refund,
    told: gateway.Refund,
    *,
    observed_at: datetime,
    actor: Actor,
    by: str | None = None,
    reason: str | None = None,
) -> Refund:
    """Write what Stripe says of it. The same again, or what is older than what is known, changes nothing."""
    status = _STATUSES.get(told.status)
    if status is None:
        facts = {"refund": refund.id, "status": told.status}
        tx.after_commit.append(partial(alert, "UNKNOWN_REFUND_STATUS", **facts))
        return refund
    stale = refund.observed_at is not None and observed_at < refund.observed_at
    # What came back stays there, whenever that was seen; all else may have ended otherwise by now.
    if (stale and not told.came_back) or (refund.sent is not None and refund.sent.returned):
        return refund
    if refund.sent is None and told.came_back and not told.moved:
        return await _never_sent(tx, refund, told, status, observed_at=observed_at, actor=actor)
    sent = refund.sent
    if sent is None:
        sent = await _send(tx, refund, told, actor=actor)
        if sent.booked is SentBy.FOUND_SENT:
            reason = "it was found at Stripe"
    if told.came_back:
        read_before = await _was_read(tx, told.id, left=False)
        await ledger.post(tx, postings.returned(refund, read_before=read_before, actor=actor.value))
        sent = sent.model_copy(update={"returned": True})
    if not (status is refund.status or refund.machine.allows(refund.status, status)):
        status = refund.status  # it would run backwards: what Stripe answered before
    if sent == refund.sent and status is refund.status:
        return refund
    await _take(tx, refund, 0 if told.came_back else refund.amount, actor=actor)
    return await _move(
        tx,
        refund,
        told,
        status,
        sent,
        observed_at=observed_at,
        actor=actor,
        by=by,
        reason=reason,
    )


async def give_back(
    tx: Tx,
    refund: Refund,
    status: RefundStatus,
    *,
    actor: Actor,
    by: str | None = None,
    reason: str | None,
    changes: Mapping[str, Any] | None = None,
) -> Refund:
    """End what was never sent in `status`: what was held is available again, and may be refunded."""
    await ledger.post(tx, postings.given_back(refund, actor=actor.value))
    await _take(tx, refund, 0, actor=actor)
    changes = {**(changes or {}), **CLEARED}
    return await move(tx, refund, status, actor=actor, by=by, reason=reason, changes=changes)


async def _never_sent(
    tx: Tx,
    refund: Refund,
    told: gateway.Refund,
    status: RefundStatus,
    *,
    observed_at: datetime,
    actor: Actor,
) -> Refund:
    """Stripe gave up before any money moved."""
    if not refund.holds_money:
        return refund
    changes = {"failure": _failure(told).model_dump(), "lease_until": None, "observed_at": observed_at}
    return await give_back(tx, refund, status, actor=actor, reason=told.failure_reason, changes=changes)


async def _send(tx: Tx, refund: Refund, told: gateway.Refund, *, actor: Actor) -> SentRefund:
    """Book that it left: of what was held, if that is still so."""
    booked = SentBy.HOLD_SETTLED if refund.holds_money else SentBy.FOUND_SENT
    if refund.origin is RefundOrigin.STRIPE:
        booked = SentBy.ADOPTED
    read_before = await _was_read(tx, told.id, left=True)
    await ledger.post(tx, postings.sent(refund, booked, read_before=read_before, actor=actor.value))
    if booked is not SentBy.HOLD_SETTLED:
        facts = {"refund": refund.id, "stripe_refund": told.id, "amount": refund.amount}
        code = "REFUND_FOUND_SENT" if booked is SentBy.FOUND_SENT else "REFUND_ADOPTED"
        tx.after_commit.append(partial(alert, code, **facts))
    return SentRefund(id=told.id, booked=booked)


async def _move(
    tx: Tx,
    refund: Refund,
    told: gateway.Refund,
    status: RefundStatus,
    sent: SentRefund,
    *,
    observed_at: datetime,
    actor: Actor,
    by: str | None,
    reason: str | None,
) -> Refund:
    pending = status in {S.PROCESSING, S.REQUIRES_ACTION}
    failure = _failure(told) if told.came_back else None
    return await move(
        tx,
        refund,
        status,
        actor=actor,
        by=by,
        reason=reason or told.failure_reason,
        changes={
            **CLEARED,
            "sent": sent.model_dump(),
            "lease_until": None,
            "alerted": False,
            "failure": None if failure is None else failure.model_dump(),
            "observed_at": observed_at,
            "next_attempt_at": reads.due_while_pending(tx.now) if pending else None,
        },
    )


async def _adopt(tx: Tx, told: gateway.Refund, *, actor: Actor) -> Refund | None:
    """A refund that Stripe made and nobody here asked for: an operation like the others from now on."""
    deposit = None if told.payment_intent is None else await deposits.find_by_intent(told.payment_intent, tx)
    paid = None if deposit is None else deposit.paid
    if deposit is None or paid is None or not paid.amount or paid.currency != told.amount.currency:
        return None
    refund = Refund(
        id=new_id("rfd", at=tx.now),
        owner=deposit.owner,
        wallet=await wallet_of(deposit, tx),
        amount=told.amount.amount,
        currency=told.amount.currency,
        deposit=deposit.id,
        payment_intent=told.payment_intent or "",
        origin=RefundOrigin.STRIPE,
        asked_by=None,
        status=S.PROCESSING,
        history=[StatusChange(status=S.PROCESSING, at=tx.now, actor=actor, reason="made at Stripe")],
        # One of ours for each of Stripe's.
        idempotency=IdempotencyKey.of(actor="stripe", mutation="adopt", key=told.id, fields={}),
        created_at=tx.now,
        updated_at=tx.now,
    )
    # First the deposit: of two that adopt it at once, one runs again, and then knows it. At the unique index
    # it could end with an error that is not worth another try.
    await _take(tx, refund, refund.amount, actor=actor)
    await refund.insert(session=tx.session)
    return refund


async def wallet_of(deposit: Deposit, tx: Tx) -> str:
    """The wallet that got what was paid: the owner's of that currency, which a credit has opened."""
    if deposit.paid.currency == deposit.currency:
        return deposit.wallet
    wallet = await ledger.wallet_of(deposit.owner, deposit.paid.currency, tx)
    if wallet is None:
        raise LookupError(f"{deposit.owner} has no wallet in {deposit.paid.currency}")
    return wallet.id


async def _take(tx: Tx, refund: Refund, amount: int, *, actor: Actor) -> None:
    await deposits.reclaim(tx, refund.deposit, refund.id, amount, actor=actor)


async def _was_read(tx: Tx, stripe_id: str, *, left: bool) -> bool:
    """Whether its leaving, or its coming back, was booked from Stripe's balance under its own id."""
    way = postings.read_way(left=left)
    entries = await ledger.entries_of(stripe_id, tx)
    return any(
        (posting.source, posting.destination) == way for entry in entries for posting in entry.postings
    )


def is_what_was_asked(refund: Refund, told: gateway.Refund) -> bool:
    """Of the same payment and as large, and not made twice: a second one is nobody's wish."""
    return (
        refund.sent is None
        and refund.payment_intent == told.payment_intent
        and (refund.amount, refund.currency) == (told.amount.amount, told.amount.currency)
    )


def _failure(told: gateway.Refund) -> Failure:
    return Failure(
        code=told.failure_reason or f"refund_{told.status}",
        message="The refund did not reach the card. The money is back in the wallet.",
    )
