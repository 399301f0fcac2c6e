"""The life of a setup intent between its endpoints: a card is saved for later without paying.

requires_payment_method ──> requires_confirmation ──> requires_action ──> succeeded
          ^   └───────────────────────┴──────────────────────^ └──> (refused: back to requires_payment_method)
any but succeeded ──> canceled
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import intents, payment_methods
from .cards import Authentication
from .errors import SetupFailed
from .objects import Object, shaped

if TYPE_CHECKING:
    from .intents import Confirmation
    from .store import Stored
    from .transaction import Tx

_SHOWN_IN_ATTEMPT = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")


def set_up(tx: Tx, intent: Object, how: Confirmation) -> Object:
    """Confirm an intent that has its payment method.

    Raises SetupFailed; the intent is then back in requires_payment_method, and remembers why.
    """
    stored = payment_methods.usable(tx, intent["payment_method"], intent=intent)
    give_up(tx, intent)
    card = payment_methods.card_of(stored)
    intent = intent | {"payment_method": stored.body["id"], "last_setup_error": None, "next_action": None}
    if card.decline is not None and not card.attaches:
        error = card.decline.fields()
        failed = _failed(tx, _attempted(tx, intent, stored), stored, error)
        raise SetupFailed(error | {"setup_intent": failed, "payment_method": stored.body})
    intent = _attempted(tx, intent, stored)
    authentication = card.authentication(intents.requested(intent), free=False)
    if authentication is not Authentication.CHALLENGE:
        return _succeeded(tx, intent, stored, authentication)
    _note(tx, intent, status="requires_action")
    return intents.challenge(tx, intent, how)


def authenticate(tx: Tx, intent: Object, *, accepted: bool) -> Object:
    """What the cardholder answered to the bank."""
    stored = tx.fetch("payment_method", intent["payment_method"], param="payment_method")
    intent = intent | {"next_action": None}
    if not accepted:
        return _failed(tx, intent, stored, intents.not_authenticated(intent))
    return _succeeded(tx, intent, stored, Authentication.CHALLENGE)


def cancel(tx: Tx, intent: Object, *, reason: str | None) -> Object:
    give_up(tx, intent)
    after = intent | {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    tx.save(after)
    tx.emit("setup_intent.canceled", after)
    return after


def give_up(tx: Tx, intent: Object) -> None:
    """An attempt that still waited for the bank's answer is over."""
    if intent["next_action"] is not None:
        _note(tx, intent, status="abandoned")


def _succeeded(tx: Tx, intent: Object, stored: Stored, authentication: Authentication | None) -> Object:
    if intent["usage"] == "off_session":
        payment_methods.set_up(tx, stored)
    if intent["customer"] is not None:
        payment_methods.save_to_customer(tx, stored.body, intent["customer"])
    _note(tx, intent, status="succeeded", authentication=authentication)
    after = intent | {"status": "succeeded"}
    tx.save(after)
    tx.emit("setup_intent.succeeded", after)
    return after


def _failed(tx: Tx, intent: Object, stored: Stored, error: Object) -> Object:
    """The attempt is over; the intent waits for another card."""
    why = intents.remembered(error, stored.body)
    _note(tx, intent, status="failed", error=why)
    after = intent | {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_setup_error": why,
    }
    tx.save(after)
    tx.emit("setup_intent.setup_failed", after)
    return after


def _attempted(tx: Tx, intent: Object, stored: Stored) -> Object:
    """The intent with a new attempt as its latest."""
    card = stored.body["card"]
    details = shaped(
        "setup_attempt_payment_method_details_card",
        {
            **{name: card[name] for name in _SHOWN_IN_ATTEMPT},
            "checks": shaped("setup_attempt_payment_method_details_card_checks", {"cvc_check": "pass"}),
            "network": card["brand"],
        },
    )
    attempt = shaped(
        "setup_attempt",
        {
            "id": tx.ids.new("setatt_"),
            "object": "setup_attempt",
            "created": tx.now,
            "customer": intent["customer"],
            "livemode": False,
            "payment_method": stored.body["id"],
            "payment_method_details": {"card": details, "type": "card"},
            "setup_intent": intent["id"],
            "status": "requires_confirmation",
            "usage": intent["usage"],
        },
    )
    tx.insert(attempt)
    return intent | {"latest_attempt": attempt["id"]}


def _note(
    tx: Tx,
    intent: Object,
    *,
    status: str,
    error: Object | None = None,
    authentication: Authentication | None = None,
) -> None:
    """Write down how the latest attempt stands."""
    attempt = tx.fetch("setup_attempt", intent["latest_attempt"], param="latest_attempt").body
    if authentication is not None:
        word = intents.authenticated("three_d_secure_details", authentication)
        attempt["payment_method_details"]["card"]["three_d_secure"] = word
    tx.save(attempt | {"status": status, "setup_error": error})
