"""The life of a payment intent between its endpoints: paying, being challenged, being refused.

requires_payment_method ──> requires_confirmation ──> requires_action ──> succeeded
          ^   └───────────────────────┴──────────────────────^ └──> (refused: back to requires_payment_method)
any but succeeded ──> canceled
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import charges, intents, payment_methods
from .cards import AUTHENTICATION_REQUIRED, Authentication, Decline
from .errors import PaymentFailed
from .objects import Object

if TYPE_CHECKING:
    from .intents import Confirmation
    from .store import Stored
    from .transaction import Tx


def pay(tx: Tx, intent: Object, how: Confirmation) -> Object:
    """Confirm an intent that has its payment method.

    Raises PaymentFailed; the intent is then back in requires_payment_method, and remembers why.
    """
    stored = payment_methods.usable(tx, intent["payment_method"], intent=intent)
    free = how.off_session and stored.private.get("set_up", False)
    authentication = payment_methods.card_of(stored).authentication(intents.requested(intent), free=free)
    intent = intent | {"payment_method": stored.body["id"], "last_payment_error": None, "next_action": None}
    if authentication is not Authentication.CHALLENGE:
        return _charge(tx, intent, stored, authentication)
    if how.off_session:
        return _declined(tx, intent, stored, AUTHENTICATION_REQUIRED)
    return intents.challenge(tx, intent, how)


def authenticate(tx: Tx, intent: Object, *, accepted: bool) -> Object:
    """What the cardholder answered to the bank. Never raises for a decline: nobody waits for the answer."""
    stored = tx.fetch("payment_method", intent["payment_method"], param="payment_method")
    intent = intent | {"next_action": None}
    if not accepted:
        return _back_to_start(tx, intent, stored, intents.not_authenticated(intent))
    try:
        return _charge(tx, intent, stored, Authentication.CHALLENGE)
    except PaymentFailed:
        return tx.fetch("payment_intent", intent["id"], param="intent").body


def cancel(tx: Tx, intent: Object, *, reason: str | None) -> Object:
    after = intent | {
        "status": "canceled",
        "canceled_at": tx.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    tx.save(after)
    tx.emit("payment_intent.canceled", after)
    return after


def _charge(tx: Tx, intent: Object, stored: Stored, authentication: Authentication | None) -> Object:
    decline = payment_methods.card_of(stored).decline
    if decline is not None:
        return _declined(tx, intent, stored, decline)
    charge = charges.make(tx, intent, stored, decline=None, authentication=authentication)
    after = intent | {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "latest_charge": charge["id"],
    }
    tx.save(after)
    tx.emit("payment_intent.succeeded", after)
    _keep_card(tx, after, stored)
    return after


def _keep_card(tx: Tx, intent: Object, stored: Stored) -> None:
    if intent["setup_future_usage"] is not None:
        if intent["setup_future_usage"] == "off_session":
            payment_methods.set_up(tx, stored)
        if intent["customer"] is not None:
            payment_methods.save_to_customer(tx, stored.body, intent["customer"])
            return
    payment_methods.spend(tx, stored)


def _declined(tx: Tx, intent: Object, stored: Stored, decline: Decline) -> Object:
    charge = charges.make(tx, intent, stored, decline=decline)
    error = decline.fields() | {"charge": charge["id"]}
    failed = _back_to_start(tx, intent | {"latest_charge": charge["id"]}, stored, error)
    raise PaymentFailed(error | {"payment_intent": failed, "payment_method": stored.body})


def _back_to_start(tx: Tx, intent: Object, stored: Stored, error: Object) -> Object:
    """The attempt is over; the intent waits for another card."""
    after = intent | {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": intents.remembered(error, stored.body),
    }
    payment_methods.spend(tx, stored)
    tx.save(after)
    tx.emit("payment_intent.payment_failed", after)
    return after
