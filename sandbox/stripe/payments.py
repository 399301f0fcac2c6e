"""The life of a payment intent between its endpoints: paying, being challenged, being refused.

requires_payment_method ──> requires_confirmation ──> requires_action ──> succeeded
          ^   └───────────────────────┴──────────────────────^ └──> (refused: back to requires_payment_method)
any but succeeded ──> canceled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from . import charges, payment_methods
from .cards import AUTHENTICATION_REQUIRED, Challenge, Decline
from .errors import DOCS, PaymentFailed, invalid
from .objects import Object, shaped

if TYPE_CHECKING:
    from .store import Stored
    from .transaction import Tx

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
"""The states in which an intent can still be changed, paid and canceled."""

TOKEN_LENGTH = 24

_NOT_AUTHENTICATED: Object = {
    "code": "payment_intent_authentication_failure",
    "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data "
    "or a new "
    "PaymentMethod to attempt to fulfill this PaymentIntent again.",
    "type": "invalid_request_error",
}


@dataclass(frozen=True)
class Confirmation:
    """How an intent is confirmed, beside the card."""

    off_session: bool = False
    return_url: str | None = None
    use_stripe_sdk: bool = False


def pay(tx: Tx, intent: Object, confirmation: Confirmation) -> Object:
    """Confirm an intent that has its payment method.

    Raises PaymentFailed; the intent is then back in requires_payment_method, and remembers why.
    """
    stored = payment_methods.usable(tx, intent["payment_method"], customer=intent["customer"])
    card = payment_methods.card_of(stored)
    intent = intent | {"payment_method": stored.body["id"], "last_payment_error": None, "next_action": None}
    challenged = card.challenge is Challenge.ALWAYS or (
        card.challenge is Challenge.UNLESS_SET_UP
        and not (confirmation.off_session and stored.private.get("set_up"))
    )
    if challenged and confirmation.off_session:
        return _declined(tx, intent, stored, AUTHENTICATION_REQUIRED)
    if challenged:
        return _challenge(tx, intent, confirmation)
    return _charge(tx, intent, stored, authenticated=False)


def authenticate(tx: Tx, intent: Object, *, accepted: bool) -> Object:
    """What the cardholder answered to the bank. Never raises for a decline: nobody waits for the answer."""
    stored = tx.fetch("payment_method", intent["payment_method"], param="payment_method")
    intent = intent | {"next_action": None}
    if not accepted:
        return _back_to_start(tx, intent, stored, dict(_NOT_AUTHENTICATED))
    try:
        return _charge(tx, intent, stored, authenticated=True)
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


def refuse_state(intent: Object, doing: str) -> None:
    """Raise StripeError payment_intent_unexpected_state unless the intent is open."""
    if intent["status"] in OPEN:
        return
    raise invalid(
        f"You cannot {doing} this PaymentIntent because it has a status of {intent['status']}. "
        f"Only a PaymentIntent with one of the following statuses may be used: {', '.join(OPEN)}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )


def return_address(intent: Object, return_url: str) -> str:
    """Where the cardholder goes after the bank's page."""
    query = urlencode(
        {
            "payment_intent": intent["id"],
            "payment_intent_client_secret": intent["client_secret"],
            "redirect_status": "failed" if intent["status"] == "requires_payment_method" else "succeeded",
        }
    )
    return f"{return_url}{'&' if '?' in return_url else '?'}{query}"


def _challenge(tx: Tx, intent: Object, confirmation: Confirmation) -> Object:
    token = tx.ids.text("challenge", TOKEN_LENGTH)
    url = f"{tx.base_url}/3ds/{intent['id']}/{token}"
    if confirmation.return_url is not None and not confirmation.use_stripe_sdk:
        action: Object = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": confirmation.return_url, "url": url},
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
        }
    after = intent | {
        "status": "requires_action",
        "next_action": shaped("payment_intent_next_action", action),
    }
    tx.save(after)
    tx.store.update_private(intent["id"], {"challenge": token, "return_url": confirmation.return_url})
    tx.emit("payment_intent.requires_action", after)
    return after


def _charge(tx: Tx, intent: Object, stored: Stored, *, authenticated: bool) -> Object:
    decline = payment_methods.card_of(stored).decline
    if decline is not None:
        return _declined(tx, intent, stored, decline)
    charge = charges.make(tx, intent, stored, decline=None, authenticated=authenticated)
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
        payment_methods.set_up(tx, stored)
        if intent["customer"] is not None:
            payment_methods.save_to_customer(tx, stored.body, intent["customer"])
            return
    payment_methods.spend(tx, stored)


def _declined(tx: Tx, intent: Object, stored: Stored, decline: Decline) -> Object:
    charge = charges.make(tx, intent, stored, decline=decline, authenticated=False)
    error = decline.fields() | {"charge": charge["id"]}
    failed = _back_to_start(tx, intent | {"latest_charge": charge["id"]}, stored, error)
    raise PaymentFailed(error | {"payment_intent": failed, "payment_method": stored.body})


def _back_to_start(tx: Tx, intent: Object, stored: Stored, error: Object) -> Object:
    """The attempt is over; the intent waits for another card."""
    code: str = error["code"]
    remembered = error | {"doc_url": DOCS + code.replace("_", "-"), "payment_method": stored.body}
    after = intent | {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": shaped("api_errors", dict(sorted(remembered.items()))),
    }
    payment_methods.spend(tx, stored)
    tx.save(after)
    tx.emit("payment_intent.payment_failed", after)
    return after
