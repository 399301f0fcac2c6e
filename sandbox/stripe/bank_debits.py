"""Paying by a debit of a US bank account (ACH): begun at once, answered by the bank days later.

requires_payment_method ──> processing ──> succeeded
          ^────────────────────┘ (sent back)
A debit is a payment (`py_`) where a card has a charge (`ch_`): the same object at Stripe.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from . import charges, intents, payment_methods
from .balance import DAY_S
from .cards import Decline
from .external_accounts import ROUTING_NUMBER, TestBank
from .objects import Object, shaped

if TYPE_CHECKING:
    from .store import Stored
    from .transaction import Tx

METHOD = "us_bank_account"
CURRENCY = "usd"
BANK_TAKES_S = 4 * DAY_S
"""Virtual seconds until the bank has answered: Stripe says up to four business days."""

_WHY = {
    "account_closed": "The customer's bank account has been closed.",
    "insufficient_funds": "The customer's bank account has insufficient funds.",
    "no_account": "The customer's bank account could not be located.",
}


def begin(tx: Tx, intent: Object, bank: TestBank) -> Object:
    """The intent, in processing until `conclude`."""
    stored = _bank_account(tx, bank)
    expected = datetime.datetime.fromtimestamp(tx.now + BANK_TAKES_S, datetime.UTC).date()
    face = stored.body[METHOD]
    shown = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
    details = shaped(
        "payment_method_details_us_bank_account",
        {name: face[name] for name in shown} | {"expected_debit_date": expected.isoformat()},
    )
    charge = tx.insert(charges.draft(tx, intent, stored, "py_", details))
    tx.emit("charge.pending", charge)
    after = intent | {
        "status": "processing",
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "next_action": None,
        "payment_method": stored.body["id"],
    }
    tx.save(after)
    tx.emit("payment_intent.processing", after)
    return after


def refusal(tx: Tx, intent: Object) -> str | None:
    """Why the bank that an intent waits for sends debits back, in Stripe's word. None: it pays."""
    stored = tx.fetch("payment_method", intent["payment_method"], param="payment_method")
    why: str | None = stored.private["failure_code"]
    return why


def conclude(tx: Tx, intent: Object, *, failure_code: str | None) -> Object:
    """The intent after the bank's answer. None: it pays."""
    charge = tx.fetch("charge", intent["latest_charge"], param="charge").body
    stored = tx.fetch("payment_method", intent["payment_method"], param="payment_method")
    payment_methods.spend(tx, stored)
    if failure_code is not None:
        return _sent_back(tx, intent, charge, stored, failure_code)
    paid = tx.save(charge | {"paid": True, "status": "succeeded"})
    tx.emit("charge.succeeded", paid)
    charges.plan_settlement(tx, paid)
    after = tx.save(intent | {"status": "succeeded", "amount_received": intent["amount"]})
    tx.emit("payment_intent.succeeded", after)
    return after


def _sent_back(tx: Tx, intent: Object, charge: Object, stored: Stored, failure_code: str) -> Object:
    why = Decline(failure_code, failure_code, _WHY[failure_code])
    failed = tx.save(charge | {"failure_code": why.code, "failure_message": why.message, "status": "failed"})
    tx.emit("charge.failed", failed)
    error = {"charge": charge["id"], "code": why.code, "message": why.message, "type": "card_error"}
    after = intent | {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": intents.remembered(error, stored.body),
    }
    tx.save(after)
    tx.emit("payment_intent.payment_failed", after)
    return after


def _bank_account(tx: Tx, bank: TestBank) -> Stored:
    """A payment method that will pay once."""
    face = shaped(
        "payment_method_us_bank_account",
        {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "fingerprint": f"{int(bank.number):016x}",
            "last4": bank.last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": ROUTING_NUMBER,
        },
    )
    body = shaped(
        "payment_method",
        {
            "id": tx.ids.new("pm_"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": shaped("billing_details", {"address": shaped("address", {})}),
            "created": tx.now,
            "livemode": False,
            "metadata": {},
            "type": METHOD,
            METHOD: face,
        },
    )
    tx.insert(body, {"number": bank.number, "failure_code": bank.failure_code})
    return tx.fetch("payment_method", body["id"], param="payment_method")
