"""The life of a Checkout Session between its endpoints.

open ──> complete    paid, or on its way: payment_status is unpaid until the bank has answered
  └────> expired     by request, or by the clock; its payment intent is canceled

The first attempt makes the payment intent, and every further one uses it again. A declined attempt leaves the
session open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import bank_debits, external_accounts, intents, payment_intents, payment_methods, payments
from .errors import PaymentFailed, StripeError, invalid
from .intents import Confirmation
from .objects import Object, shaped

if TYPE_CHECKING:
    from .external_accounts import TestBank
    from .transaction import Tx

Outcome = Literal["paid", "declined", "paid_later", "paid_later_succeeded", "paid_later_failed"]
_PAYS, _DECLINES = "pm_card_visa", "pm_card_chargeDeclined"


def play(tx: Tx, session_id: str, outcome: Outcome, *, card: str | None = None) -> Object:
    """Do what the payer would, or later their bank; the session after it.

    Raises StripeError where it cannot come to that: the session is over, or the card does something else.
    """
    session = tx.fetch("checkout.session", session_id, param="session").body
    match outcome:
        case "paid":
            _play_card(tx, session, card or _PAYS, ends="succeeded")
        case "declined":
            _play_card(tx, session, card or _DECLINES, ends="requires_payment_method")
        case "paid_later":
            pay_later(tx, session, external_accounts.TEST_BANKS[0])
        case "paid_later_succeeded":
            conclude(tx, session, failure_code=None)
        case "paid_later_failed":
            conclude(tx, session, failure_code="insufficient_funds")
    return tx.fetch("checkout.session", session_id, param="session").body


def pay(tx: Tx, session: Object, payment_method: str) -> Object:
    """Try a card. The intent: paid, or waiting for the payer's bank to ask.

    Raises PaymentFailed, and StripeError for a session that is over or a card that is none.
    """
    refuse_closed(session)
    intent = _intent(tx, session)
    stored = payment_methods.usable(tx, payment_method, intent=intent)
    _begin(tx, session, intent)
    how = Confirmation(return_url=f"{session['url']}/back")
    paid = payments.pay(tx, intent | {"payment_method": stored.body["id"]}, how)
    follow(tx, session["id"], paid)
    return paid


def pay_later(tx: Tx, session: Object, bank: TestBank) -> Object:
    """Debit a bank account: the session is complete, and the intent in processing. Raises StripeError."""
    refuse_closed(session)
    if bank_debits.METHOD not in session["payment_method_types"]:
        raise invalid(f"A bank account can be debited in {bank_debits.CURRENCY.upper()} only.")
    intent = _intent(tx, session)
    _begin(tx, session, intent)
    waiting = bank_debits.begin(tx, intent, bank)
    tx.schedule("debit_arrives", session["id"], due=tx.clock.now() + bank_debits.BANK_TAKES_S)
    follow(tx, session["id"], waiting)
    return waiting


def conclude(tx: Tx, session: Object, *, failure_code: str | None) -> Object:
    """The session after the bank's answer to a debit. Raises StripeError when none is under way."""
    intent = intent_of(tx, session)
    if session["status"] != "complete" or intent is None or intent["status"] != "processing":
        raise invalid(f"Checkout Session {session['id']} does not wait for a bank.")
    after = bank_debits.conclude(tx, intent, failure_code=failure_code)
    paid = after["status"] == "succeeded"
    session = tx.save(session | {"payment_status": "paid" if paid else "unpaid"})
    tx.emit(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
    return session


def debit_arrives(tx: Tx, session_id: str) -> None:
    """A timer: the bank answers as its number says, unless it was made to answer before."""
    session = tx.fetch("checkout.session", session_id, param="session").body
    intent = intent_of(tx, session)
    if intent is not None and intent["status"] == "processing":
        conclude(tx, session, failure_code=bank_debits.refusal(tx, intent))


def follow(tx: Tx, session_id: str, intent: Object) -> None:
    """Complete the session whose intent is paid, or on its way."""
    if intent["status"] not in {"succeeded", "processing"}:
        return
    session = tx.fetch("checkout.session", session_id, param="session").body
    after = session | {
        "customer_details": customer_details(tx, session["customer"]),
        "payment_status": "paid" if intent["status"] == "succeeded" else "unpaid",
        "status": "complete",
        "url": None,
    }
    tx.save(after)
    tx.emit("checkout.session.completed", after)


def expire(tx: Tx, session: Object) -> Object:
    """Nobody can pay it any more."""
    intent = intent_of(tx, session)
    if intent is not None and intent["status"] in intents.OPEN:
        payments.cancel(tx, intent, reason="expired")
    after = tx.save(session | {"status": "expired", "url": None})
    tx.emit("checkout.session.expired", after)
    return after


def fall_due(tx: Tx, session_id: str) -> None:
    """A timer: it was open long enough."""
    session = tx.fetch("checkout.session", session_id, param="session").body
    if session["status"] == "open":
        expire(tx, session)


def intent_of(tx: Tx, session: Object) -> Object | None:
    """The payment intent as it is by now; None before the first attempt."""
    intent: str | None = session["payment_intent"]
    return None if intent is None else tx.fetch("payment_intent", intent, param="intent").body


def customer_details(tx: Tx, customer: str | None) -> Object | None:
    """What Checkout knows of the payer: here, only what the platform knows."""
    if customer is None:
        return None
    known = tx.fetch("customer", customer, param="customer").body
    return shaped(
        "payment_pages_checkout_session_customer_details",
        {
            "email": known.get("email"),
            "name": known.get("name"),
            "phone": known.get("phone"),
            "tax_exempt": "none",
        },
    )


def refuse_closed(session: Object) -> None:
    """Raise StripeError unless it can be paid."""
    if session["status"] != "open":
        raise StripeError(400, f"This Checkout Session has a status of `{session['status']}`.")


def _play_card(tx: Tx, session: Object, card: str, *, ends: str) -> None:
    """Whatever the payer's bank asks is answered with yes. `ends`: the status in which the intent must be."""
    try:
        intent = pay(tx, session, card)
    except PaymentFailed as failure:
        intent = failure.body["payment_intent"]
    if intent["status"] == "requires_action":
        intent = payments.authenticate(tx, intent, accepted=True)
        follow(tx, session["id"], intent)
    if intent["status"] != ends:
        raise invalid(f"With {card} the payment ends in {intent['status']}.", param="card")


def _intent(tx: Tx, session: Object) -> Object:
    """The one that is there, or one to begin with."""
    known = intent_of(tx, session)
    if known is not None:
        return known
    given = tx.fetch("checkout.session", session["id"], param="session").private["payment_intent_data"]
    customer = {"customer": session["customer"]} if session["customer"] is not None else {}
    params = {
        "amount": session["amount_total"],
        "currency": session["currency"],
        "automatic_payment_methods": {"enabled": False},
        **customer,
        **given,
    }
    return payment_intents.draft(tx, params, types=session["payment_method_types"])


def _begin(tx: Tx, session: Object, intent: Object) -> None:
    if session["payment_intent"] is None:
        tx.insert(intent, {"checkout": session["id"]})
        tx.emit("payment_intent.created", intent)
        tx.save(session | {"payment_intent": intent["id"]})
