"""What a transfer is where it arrives: a payment (`py_`) of the connected account's own, and its refunds.

Stripe's specification has no event that tells of either; nothing is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance
from .objects import Object, shaped

if TYPE_CHECKING:
    from .transaction import Tx


def make(there: Tx, transfer_id: str, *, amount: int, currency: str) -> Object:
    payment_id = there.ids.new("py_")
    received = balance.Movement(
        kind="payment",
        reporting_category="charge",
        amount=amount,
        currency=currency,
        source=payment_id,
    )
    booked = balance.move(there, received, pending=False)
    payment = shaped(
        "charge",
        {
            "id": payment_id,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "balance_transaction": booked["id"],
            "billing_details": shaped("billing_details", {}),
            "captured": True,
            "created": there.now,
            "currency": currency,
            "disputed": False,
            "fraud_details": {},
            "livemode": False,
            "metadata": {},
            "outcome": shaped(
                "charge_outcome",
                {
                    "network_status": "approved_by_network",
                    "risk_level": "not_assessed",
                    "seller_message": "Payment complete.",
                    "type": "authorized",
                },
            ),
            "paid": True,
            "payment_method_details": {"stripe_account": {}, "type": "stripe_account"},
            "refunded": False,
            "source_transfer": transfer_id,
            "status": "succeeded",
        },
    )
    return there.insert(payment)


def refund(there: Tx, payment_id: str, reversal_id: str, *, amount: int) -> Object:
    """What a reversal is there. That there is so much is for the caller to know."""
    payment = there.fetch("charge", payment_id, param="id").body
    refund_id = there.ids.new("pyr_")
    returned = balance.Movement(
        kind="payment_refund",
        reporting_category="refund",
        amount=-amount,
        currency=payment["currency"],
        source=refund_id,
    )
    booked = balance.move(there, returned, pending=False)
    refunded = payment["amount_refunded"] + amount
    there.save(payment | {"amount_refunded": refunded, "refunded": refunded == payment["amount"]})
    body = shaped(
        "refund",
        {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": booked["id"],
            "charge": payment_id,
            "created": there.now,
            "currency": payment["currency"],
            "metadata": {},
            "source_transfer_reversal": reversal_id,
            "status": "succeeded",
        },
    )
    return there.insert(body)
