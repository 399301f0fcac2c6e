"""Charges: one for each time the bank was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance, disputes, intents, payment_methods
from .cards import Authentication, Decline
from .lists import page
from .objects import Object, shaped

if TYPE_CHECKING:
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

STATEMENT_DESCRIPTOR = "SANDBOX"
"""Whom a payer finds on their statement."""

SETTLES_AFTER_S = 1.0
"""Virtual seconds from a charge to its balance transaction. Stripe promises an hour."""


def retrieve(tx: Tx, _params: Params, *, charge: str) -> Object:
    return tx.fetch("charge", charge, param="id").body


def list_all(tx: Tx, params: Params) -> Object:
    return page(
        tx,
        "charge",
        params,
        url="/v1/charges",
        equal=("customer", "payment_intent", "transfer_group"),
    )


def make(
    tx: Tx,
    intent: Object,
    stored: Stored,
    *,
    decline: Decline | None,
    authentication: Authentication | None = None,
) -> Object:
    """Ask the bank about an intent. A success gets its balance transaction a little later."""
    card = payment_methods.card_of(stored)
    paid = decline is None
    details = _card_details(stored.body["card"], intent, paid=paid, authentication=authentication)
    body = draft(tx, intent, stored, "ch_", details) | {
        "amount_captured": intent["amount"] if paid else 0,
        "calculated_statement_descriptor": STATEMENT_DESCRIPTOR if paid else None,
        "captured": paid,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "outcome": _outcome(decline),
        "paid": paid,
        "status": "succeeded" if paid else "failed",
    }
    tx.insert(body)
    tx.emit("charge.succeeded" if paid else "charge.failed", body)
    if paid:
        plan_settlement(tx, body, at_once=card.bypasses_pending)
        if card.complaint is not None:
            disputes.complain(tx, body, card.complaint)
    return body


def draft(tx: Tx, intent: Object, stored: Stored, prefix: str, details: Object) -> Object:
    """A charge of which the bank has not said anything yet. `details` are those of the payment method."""
    kind: str = stored.body["type"]
    return shaped(
        "charge",
        {
            "id": tx.ids.new(prefix),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"],
            "amount_refunded": 0,
            "billing_details": stored.body["billing_details"],
            "calculated_statement_descriptor": STATEMENT_DESCRIPTOR,
            "captured": True,
            "created": tx.now,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "fraud_details": {},
            "livemode": False,
            "metadata": intent["metadata"],
            "outcome": _outcome(None),
            "paid": False,
            "payment_intent": intent["id"],
            "payment_method": stored.body["id"],
            "payment_method_details": {kind: details, "type": kind},
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "refunded": False,
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": "pending",
            "transfer_group": intent["transfer_group"],
        },
    )


def plan_settlement(tx: Tx, charge: Object, *, at_once: bool = False) -> None:
    """Have the money booked a little later, and then available in days or `at_once`."""
    kind = "charge_settles_at_once" if at_once else "charge_settles"
    tx.schedule(kind, charge["id"], due=tx.clock.now() + SETTLES_AFTER_S)


def settle(tx: Tx, charge_id: str, *, pending: bool) -> None:
    """A timer: the balance transaction appears, and `charge.updated` says so."""
    before = tx.fetch("charge", charge_id, param="id").body
    by_card = before["payment_method_details"]["type"] == "card"
    fee = balance.card_fee if by_card else balance.debit_fee
    movement = balance.Movement(
        kind="charge" if by_card else "payment",
        reporting_category="charge",
        amount=before["amount"],
        currency=before["currency"],
        source=charge_id,
        description=before["description"],
        fee=fee(before["amount"], before["currency"]),
    )
    booked = balance.move(tx, movement, pending=pending)
    tx.save_and_emit("charge.updated", before, before | {"balance_transaction": booked["id"]})


def _outcome(decline: Decline | None) -> Object:
    if decline is None:
        fields: Object = {
            "network_status": "approved_by_network",
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    elif decline.blocked:
        fields = {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "risk_level": "highest",
            "risk_score": 90,
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    else:
        fields = {
            "advice_code": decline.advice_code,
            "network_status": "declined_by_network",
            "reason": decline.decline_code,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": f"The bank returned the decline code `{decline.decline_code}`.",
            "type": "issuer_declined",
        }
    return shaped("charge_outcome", fields)


def _card_details(
    card: Object, intent: Object, *, paid: bool, authentication: Authentication | None
) -> Object:
    shown = (
        "brand",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "regulated_status",
    )
    return shaped(
        "payment_method_details_card",
        {
            **{name: card[name] for name in shown},
            "amount_authorized": intent["amount"] if paid else None,
            "checks": shaped("payment_method_details_card_checks", {"cvc_check": "pass"}),
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": {"status": "unavailable"},
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
            "three_d_secure": authentication
            and intents.authenticated("three_d_secure_details_charge", authentication),
        },
    )
