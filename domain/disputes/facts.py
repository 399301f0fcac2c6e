"""What Stripe says of a dispute, read afresh and written down. A fact about money is never ignored.

An event says only that the dispute has changed; so whatever comes, in whatever order and however often, ends
in the same books.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from domain import deposits, ledger, withdrawals
from domain.deposits import Deposit
from domain.disputes import postings, reads
from domain.disputes.documents import Dispute, DisputeStatus, Movement
from domain.gateway import BalanceTransaction, NotDone, Refused
from domain.gateway import Dispute as StripeDispute
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, move
from domain.ledger import FreezeCause
from domain.runtime import Runtime

S = DisputeStatus
_STATUSES: Final = {status.value.lower(): status for status in S}
# The end of a sentence that the owner reads.
_FREEZE_REASON: Final = "the bank of a payer disputes a payment into it."
_CANCEL_REASON: Final = "a payment into the wallet is disputed"


@dataclass(frozen=True)
class Told:
    """A dispute as Stripe showed it at `observed_at`, and the deposit that it is about, if any of ours is."""

    dispute: StripeDispute
    deposit: str | None
    observed_at: datetime


async def read(runtime: Runtime, stripe_id: str, *, actor: Actor) -> Told:
    """Ask Stripe; what is disputed is credited first, where nobody has told us. Raises StripeTrouble."""
    observed_at = runtime.now()
    dispute = await runtime.gateway.dispute(stripe_id)
    return await told(runtime, dispute, observed_at=observed_at, actor=actor)


async def told(runtime: Runtime, dispute: StripeDispute, *, observed_at: datetime, actor: Actor) -> Told:
    """As `read`, of what was asked for at `observed_at`."""
    known = await reads.find_by_stripe_id(dispute.id)
    if known is not None:
        return Told(dispute, known.deposit, observed_at)
    return Told(dispute, await _deposit(runtime, dispute.payment_intent, actor=actor), observed_at)


async def record(tx: Tx, told: Told, *, actor: Actor) -> Dispute | None:
    """The dispute with all that Stripe says of it; None where it is about no deposit of ours.

    The same again changes nothing. Of two answers the later one tells the state; a movement of money is
    booked whenever it is first seen.
    """
    known = await reads.find_by_stripe_id(told.dispute.id, tx)
    if known is None and told.deposit is None:
        return None
    dispute = await _new(tx, told, actor=actor) if known is None else await _where_it_is(tx, known)
    movements, foreign = _unseen(dispute, told.dispute.movements)
    changes: dict[str, Any] = {}
    if known is None or told.observed_at >= known.observed_at:
        changes = {"evidence_due_by": told.dispute.due_by, "reason": told.dispute.reason}
    status = _status(tx, dispute, told)
    after = dispute.model_copy(
        update={
            **changes,
            "status": status,
            "movements": [*dispute.movements, *movements],
            "left": [*dispute.left, *(movement.id for movement in foreign)],
        }
    )
    if known is not None and after == known:
        if told.observed_at > known.observed_at:
            await _note_reading(tx, known, told.observed_at)
        return known
    # First, for it writes the deposit: of two that make the same dispute, one comes after the other.
    await deposits.reclaim(tx, after.deposit, after.id, after.outstanding, actor=actor, blocks=after.is_open)
    await _freeze_or_not(tx, after, actor=actor)
    await _book(tx, after, movements, actor=actor)
    for movement in foreign:
        facts = {"dispute": after.id, "balance_transaction": movement.id}
        tx.after_commit.append(partial(alert, "DISPUTE_IN_ANOTHER_CURRENCY", **facts))
    return await _write(tx, known, after, told, actor=actor)


async def _deposit(runtime: Runtime, payment_intent_id: str | None, *, actor: Actor) -> str | None:
    """The deposit whose payment is disputed, with that payment in the books.

    Its events may come later than the dispute's, or never; and our own answer may not be stored yet. Raises
    StripeTrouble, also while Stripe does not show the payment as made: where it goes is not known before.
    """
    if payment_intent_id is None:
        return None
    observed_at = runtime.now()
    try:
        intent = await runtime.gateway.payment_intent(payment_intent_id)
    except Refused:
        return None
    deposit = await deposits.settle(runtime, intent, observed_at=observed_at, actor=actor)
    if deposit is None:
        return None
    if intent.status != "succeeded":
        raise NotDone("disputed_before_paid")
    return deposit.id


async def _new(tx: Tx, told: Told, *, actor: Actor) -> Dispute:
    """As it was before anything happened: nothing is written yet."""
    stripe, deposit = told.dispute, await deposits.get(str(told.deposit), tx)
    payment_intent_id = str(stripe.payment_intent)
    purse = await _purse(tx, deposit, payment_intent_id, stripe.amount.currency)
    # One that is not known must be looked at: as if it had to be answered.
    status = _STATUSES.get(stripe.status, S.NEEDS_RESPONSE)
    dispute = Dispute(
        id=new_id("dsp", at=tx.now),
        owner=deposit.owner,
        stripe_id=stripe.id,
        payment_intent_id=payment_intent_id,
        deposit=deposit.id,
        wallet=purse or deposit.wallet,
        in_wallet=purse is not None,
        amount=stripe.amount.amount,
        currency=stripe.amount.currency,
        reason=stripe.reason,
        status=status,
        history=[StatusChange(status=status, at=tx.now, actor=actor, reason=stripe.reason)],
        idempotency=IdempotencyKey.of(actor="stripe", mutation="dispute", key=stripe.id, fields={}),
        observed_at=told.observed_at,
        created_at=tx.now,
        updated_at=tx.now,
    )
    if purse is None:
        facts = {"dispute": dispute.id, "deposit": deposit.id}
        tx.after_commit.append(partial(alert, "DISPUTE_OUTSIDE_OF_WALLETS", **facts))
    return dispute


async def _where_it_is(tx: Tx, dispute: Dispute) -> Dispute:
    """What waited for a review may have been credited since, but not while a dispute of it is open."""
    if dispute.in_wallet or dispute.is_open:
        return dispute
    deposit = await deposits.get(dispute.deposit, tx)
    purse = await _purse(tx, deposit, dispute.payment_intent_id, dispute.currency)
    return dispute if purse is None else dispute.model_copy(update={"wallet": purse, "in_wallet": True})


async def _purse(tx: Tx, deposit: Deposit, payment_intent_id: str, currency: str) -> str | None:
    """The wallet that the payment was credited to; None while it waits for a review, or was sent back."""
    receipt = deposit.receipt_of(payment_intent_id)
    if receipt is None:
        if not await ledger.is_posted(tx, f"deposit:{deposit.id}:succeeded"):
            return None
        wallet = await ledger.wallet(deposit.wallet, tx)
    elif receipt.is_credited:
        wallet = await ledger.wallet_of(deposit.owner, receipt.currency, tx)
    else:
        return None
    return wallet.id if wallet is not None and wallet.currency == currency else None


def _unseen(
    dispute: Dispute, movements: Sequence[BalanceTransaction]
) -> tuple[list[Movement], list[BalanceTransaction]]:
    """What is to be booked, in its order; and what is new too, but in another currency than the wallet's."""
    booked, foreign = [], []
    unrecovered = dispute.unrecovered
    for movement in movements:
        if dispute.movement(movement.id) is not None or movement.id in dispute.left:
            continue
        if movement.amount.currency != dispute.currency:
            foreign.append(movement)
            continue
        amount = movement.amount.amount
        # What the platform has taken upon itself is made good first.
        recovered = min(max(amount, 0), unrecovered)
        unrecovered -= recovered
        if amount:
            one = Movement(id=movement.id, amount=amount, recovered=recovered, in_wallet=dispute.in_wallet)
            booked.append(one)
    return booked, foreign


def _status(tx: Tx, dispute: Dispute, told: Told) -> DisputeStatus:
    """Where it stands by now. A word that is new, or would lead backwards, is left to a person."""
    status = _STATUSES.get(told.dispute.status)
    if told.observed_at < dispute.observed_at or status is dispute.status:
        return dispute.status
    if status is not None and dispute.machine.allows(dispute.status, status):
        return status
    facts = {"dispute": dispute.id, "status": dispute.status.value, "told": told.dispute.status}
    tx.after_commit.append(partial(alert, "DISPUTE_STATUS_NOT_TAKEN", **facts))
    return dispute.status


async def _freeze_or_not(tx: Tx, dispute: Dispute, *, actor: Actor) -> None:
    """While it is open nothing leaves the wallet, and what was about to leave stays."""
    cause, by = FreezeCause.DISPUTE, dispute.id
    if not dispute.is_open:
        reason = f"the dispute is {dispute.status}."
        if await ledger.unfreeze(tx, dispute.wallet, cause=cause, operation=dispute.id, by=by, reason=reason):
            await withdrawals.wake(tx, dispute.owner)
    elif await ledger.freeze(
        tx, dispute.wallet, cause=cause, operation=dispute.id, by=by, reason=_FREEZE_REASON
    ):
        await withdrawals.cancel_unsent(tx, dispute.owner, dispute.wallet, actor=actor, reason=_CANCEL_REASON)


async def _book(tx: Tx, dispute: Dispute, movements: Sequence[Movement], *, actor: Actor) -> None:
    for movement in movements:
        read_before = await ledger.has_entries(tx, movement.id)
        entry = postings.moved(dispute, movement, read_before=read_before, actor=actor.value)
        if entry is not None:
            await ledger.post(tx, entry)
        if movement.amount > 0:  # it may have paid a debt
            await withdrawals.wake(tx, dispute.owner)


async def _write(tx: Tx, known: Dispute | None, after: Dispute, told: Told, *, actor: Actor) -> Dispute:
    due = reads.due_while_open(tx.now) if after.is_open else None
    if known is None:
        made: Dispute = after.model_copy(update={"next_attempt_at": due})
        await made.insert(session=tx.session)
        return made
    changes = {
        "wallet": after.wallet,
        "in_wallet": after.in_wallet,
        "evidence_due_by": after.evidence_due_by,
        "reason": after.reason,
        "movements": [movement.model_dump() for movement in after.movements],
        "left": after.left,
        "observed_at": max(known.observed_at, told.observed_at),
        "next_attempt_at": due,
    }
    return await move(tx, known, after.status, actor=actor, changes=changes)


async def _note_reading(tx: Tx, dispute: Dispute, observed_at: datetime) -> None:
    """Nothing has changed; but an answer from before this one is old by now."""
    due = reads.due_while_open(tx.now) if dispute.is_open else None
    await Dispute.get_pymongo_collection().update_one(
        {"_id": dispute.id},
        {"$max": {"observed_at": observed_at}, "$set": {"next_attempt_at": due}},
        session=tx.session,
    )
