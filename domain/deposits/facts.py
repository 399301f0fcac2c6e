"""What Stripe did about a deposit, written down: the only place where a deposit's money is credited."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from domain import ledger
from domain.deposits import pages
from domain.deposits.documents import NO_SECRETS, OPEN, Deposit, DepositStatus, Page, Receipt
from domain.gateway import CheckoutSession, PaymentIntent
from domain.kernel.alerts import alert
from domain.kernel.cipher import Cipher
from domain.kernel.database import Tx, parse
from domain.kernel.money import Money
from domain.kernel.operations import Actor, Failure, move
from domain.ledger import Account, Kind, NewEntry, Platform, Posting

S = DepositStatus
_STRIPE: Final = Account.platform(Platform.STRIPE)
_UNEXPLAINED: Final = Account.platform(Platform.UNEXPLAINED)
_STATUSES: Final = {
    "requires_payment_method": S.REQUIRES_PAYMENT,
    "requires_confirmation": S.REQUIRES_PAYMENT,
    "requires_action": S.REQUIRES_ACTION,
    "processing": S.PROCESSING,
    "succeeded": S.SUCCEEDED,
    "canceled": S.CANCELED,
}


@dataclass(frozen=True)
class PageFact:
    """A checkout's page and, read after it, at `observed_at`, the intent that is paid there, if any.

    What is read in this order is never older than the page: whose payment failed, and is complete, has failed
    for good.
    """

    session: CheckoutSession
    intent: PaymentIntent | None
    observed_at: datetime


async def find_for(tx: Tx, intent: PaymentIntent) -> Deposit | None:
    """The deposit that `intent` pays: by our id in its metadata, for an event may outrun our own answer."""
    deposit = await find_by_id(tx, intent.metadata.get("deposit_id"))
    if deposit is not None:
        return deposit
    row = await Deposit.get_pymongo_collection().find_one(
        {"payment_intent_id": intent.id}, session=tx.session
    )
    return None if row is None else parse(Deposit, row)


async def find_for_page(tx: Tx, session: CheckoutSession) -> Deposit | None:
    """The deposit that is paid on this page: by our id in its metadata, or else by Stripe's."""
    deposit = await find_by_id(tx, session.metadata.get("deposit_id"))
    if deposit is not None:
        return deposit
    row = await Deposit.get_pymongo_collection().find_one(
        {"checkout.session_id": session.id}, session=tx.session
    )
    return None if row is None else parse(Deposit, row)


async def find_by_id(tx: Tx, deposit_id: str | None) -> Deposit | None:
    if deposit_id is None:
        return None
    row = await Deposit.get_pymongo_collection().find_one({"_id": deposit_id}, session=tx.session)
    return None if row is None else parse(Deposit, row)


async def record(
    tx: Tx,
    deposit: Deposit,
    intent: PaymentIntent,
    *,
    observed_at: datetime,
    actor: Actor,
    cipher: Cipher,
    settled_as: Money | None = None,
) -> Deposit:
    """Write what Stripe says of `intent`. The same fact again, or an older one, changes nothing.

    Money that was received is posted, whatever the state: to the wallet when it is what was agreed, else to
    platform:unexplained for a person to judge. `settled_as`: what it became in Stripe's balance, once known.
    """
    recorded = await _record(
        tx,
        deposit,
        intent,
        observed_at=observed_at,
        actor=actor,
        cipher=cipher,
        settled_as=settled_as,
    )
    return await pages.end_if_over(tx, recorded, actor=actor)


async def record_page(tx: Tx, deposit: Deposit, fact: PageFact, *, actor: Actor, cipher: Cipher) -> Deposit:
    """Write what Stripe says of a checkout's page, which moves no money, and then of the intent behind it."""
    changes = pages.changes_of(deposit, fact.session, cipher)
    if changes:
        deposit = await move(tx, deposit, deposit.status, actor=actor, changes=changes)
    if fact.intent is None:
        return await pages.end_if_over(tx, deposit, actor=actor)
    return await record(tx, deposit, fact.intent, observed_at=fact.observed_at, actor=actor, cipher=cipher)


async def _record(
    tx: Tx,
    deposit: Deposit,
    intent: PaymentIntent,
    *,
    observed_at: datetime,
    actor: Actor,
    cipher: Cipher,
    settled_as: Money | None,
) -> Deposit:
    if intent.status == "succeeded":
        as_received = settled_as in (None, intent.received)
        return await _received(
            tx, deposit, intent, as_received=as_received, observed_at=observed_at, actor=actor
        )
    status = _status(deposit, intent)
    if status is None:
        tx.after_commit.append(
            partial(alert, "UNKNOWN_INTENT_STATUS", deposit=deposit.id, status=intent.status)
        )
        return deposit
    stale = deposit.observed_at is not None and observed_at < deposit.observed_at
    backwards = status != deposit.status and not deposit.machine.allows(deposit.status, status)
    other_intent = deposit.payment_intent_id not in (None, intent.id)
    if stale or backwards or other_intent or deposit.status is S.NEEDS_REVIEW:
        return deposit
    changes = {**_observation(deposit, intent, status, cipher), "observed_at": observed_at}
    if status is deposit.status and _unchanged(deposit, changes):
        return deposit
    reason = _reason(intent, status)
    if status is S.CANCELED:
        actor, reason = pages.ended_by(deposit, actor)
    return await move(tx, deposit, status, actor=actor, reason=reason, changes=changes)


async def _received(
    tx: Tx,
    deposit: Deposit,
    intent: PaymentIntent,
    *,
    as_received: bool,
    observed_at: datetime,
    actor: Actor,
) -> Deposit:
    """Stripe was paid: to the owner's wallet, once, with what was received."""
    ref = f"deposit:{deposit.id}:succeeded"
    known = deposit.payment_intent_id in (None, intent.id)
    in_review = deposit.receipt_of(intent.id) is not None
    # Not by its status: a review of another intent's money may have settled it before.
    if in_review or (known and await ledger.is_posted(tx, ref)):
        return deposit
    agreed = (intent.received.amount, intent.received.currency) == (deposit.amount, deposit.currency)
    if not (known and agreed and as_received):
        return await _unexplained(tx, deposit, intent, observed_at=observed_at, actor=actor)
    settled = await move(
        tx,
        deposit,
        S.SUCCEEDED,
        actor=actor,
        changes={
            **deposit.received_as_agreed(intent.received),
            "payment_intent_id": intent.id,
            **NO_SECRETS,
            "failure": None,
            "next_attempt_at": _still_due(deposit),
            "observed_at": observed_at,
        },
    )
    wallet = Account.available(deposit.wallet)
    await _book(tx, deposit, intent, ref=ref, destination=wallet, actor=actor)
    return settled


async def _unexplained(
    tx: Tx, deposit: Deposit, intent: PaymentIntent, *, observed_at: datetime, actor: Actor
) -> Deposit:
    """Paid, but not what was agreed: the money is booked at once, and a person says whose it is."""
    # Once Stripe's balance was read it is there already.
    if not await ledger.has_entries(tx, intent.id):
        ref = deposit.review_ref("unexplained", intent.id)
        await _book(tx, deposit, intent, ref=ref, destination=_UNEXPLAINED, actor=actor)
    tx.after_commit.append(
        partial(alert, "DEPOSIT_NEEDS_REVIEW", deposit=deposit.id, payment_intent=intent.id)
    )
    receipt = Receipt(
        payment_intent_id=intent.id, amount=intent.received.amount, currency=intent.received.currency
    )
    receipts = [*deposit.receipts, receipt]
    changes: dict[str, Any] = {"receipts": [receipt.model_dump() for receipt in receipts]}
    if deposit.status is S.SUCCEEDED:
        return await move(tx, deposit, S.SUCCEEDED, actor=actor, changes=changes)
    return await move(
        tx,
        deposit,
        S.NEEDS_REVIEW,
        actor=actor,
        reason="paid, or settled, with another amount, currency or intent than agreed",
        changes={
            **changes,
            "payment_intent_id": deposit.payment_intent_id or intent.id,
            "next_attempt_at": _still_due(deposit),
            "next_action_url": None,
            "observed_at": observed_at,
        },
    )


async def _book(
    tx: Tx, deposit: Deposit, intent: PaymentIntent, *, ref: str, destination: Account, actor: Actor
) -> None:
    """What Stripe received moves from platform:stripe to `destination`, once for each ref.

    If Stripe's balance was read before anybody knew whose it is, it has left platform:stripe already.
    """
    received = intent.received
    source = _UNEXPLAINED if await ledger.has_entries(tx, intent.id) else _STRIPE
    await ledger.post(
        tx,
        NewEntry(
            ref=ref,
            kind=Kind.DEPOSIT,
            currency=received.currency,
            postings=[Posting(source, destination, received.amount)],
            operation=deposit.id,
            actor=actor.value,
        ),
    )


def _still_due(deposit: Deposit) -> datetime | None:
    """When a refund that was decided is to be asked for; what else was due is done with."""
    return None if deposit.refund_under_way is None else deposit.next_attempt_at


def _status(deposit: Deposit, intent: PaymentIntent) -> DepositStatus | None:
    if intent.status == "requires_payment_method" and intent.last_error is not None:
        return S.FAILED
    status = _STATUSES.get(intent.status)
    complete = deposit.checkout is not None and deposit.checkout.page is Page.COMPLETE
    # A voucher to pay with, a debit to come: nobody is asked for anything on the page any more.
    return S.PROCESSING if complete and status in OPEN else status


def _observation(
    deposit: Deposit, intent: PaymentIntent, status: DepositStatus, cipher: Cipher
) -> dict[str, Any]:
    """The deposit's fields as `intent` shows them. Behind a page, both secrets are the page's own."""
    paid_here = deposit.checkout is None
    secret = deposit.client_secret
    if secret is None and intent.client_secret is not None and paid_here:
        secret = cipher.encrypt(intent.client_secret)
    asks = status is S.REQUIRES_ACTION and intent.next_action_url is not None and paid_here
    settled = status in deposit.machine.settled
    return {
        "payment_intent_id": intent.id,
        "client_secret": None if settled else secret,
        "checkout_url": None if settled else deposit.checkout_url,
        "next_action_url": _sealed(intent.next_action_url or "", deposit, cipher) if asks else None,
        "failure": _failure(intent) if status is S.FAILED else None,
    }


def _sealed(url: str, deposit: Deposit, cipher: Cipher) -> bytes:
    """Encrypted; the same address keeps the same bytes, for it is no change."""
    stored = deposit.next_action_url
    return stored if stored is not None and cipher.decrypt(stored) == url.encode() else cipher.encrypt(url)


def _failure(intent: PaymentIntent) -> dict[str, Any] | None:
    error = intent.last_error
    if error is None:
        return None
    return Failure(code=error.code, message=error.message, decline_code=error.decline_code).model_dump()


def _unchanged(deposit: Deposit, changes: dict[str, Any]) -> bool:
    failure = None if deposit.failure is None else deposit.failure.model_dump()
    return {
        "payment_intent_id": deposit.payment_intent_id,
        "client_secret": deposit.client_secret,
        "checkout_url": deposit.checkout_url,
        "next_action_url": deposit.next_action_url,
        "failure": failure,
    } == {name: value for name, value in changes.items() if name != "observed_at"}


def _reason(intent: PaymentIntent, status: DepositStatus) -> str | None:
    if status is S.FAILED and intent.last_error is not None:
        return intent.last_error.decline_code or intent.last_error.code
    return None
