"""Movements of the platform's money that no call of its own brought about: a platform must notice them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance, payouts

if TYPE_CHECKING:
    from .objects import Object
    from .transaction import Tx

REPORTING_CATEGORIES = {"adjustment": "other_adjustment", "payout": "payout", "stripe_fee": "fee"}
"""By balance transaction type: the types that can be planted."""


def plant(tx: Tx, *, kind: str, amount: int, currency: str, fee: int, description: str | None) -> Object:
    """The balance transaction, available at once. `amount` is signed: below zero, money leaves.

    A payout, which must leave, is an object too, paid out by hand to the platform's own bank.
    """
    payout = (
        payouts.draft(tx, amount=-amount, currency=currency, description=description)
        if kind == "payout"
        else None
    )
    movement = balance.Movement(
        kind=kind,
        reporting_category=REPORTING_CATEGORIES[kind],
        amount=amount,
        currency=currency,
        source=payout["id"] if payout else None,
        description=description,
        fee=fee,
    )
    booked = balance.move(tx, movement, pending=False)
    if payout:
        payout["balance_transaction"] = booked["id"]
        tx.insert(payout)
        tx.emit("payout.created", payout)
        tx.emit("payout.paid", tx.save(payout | {"status": "paid"}))
    return booked
