"""Transfers: from the platform's balance to a connected account's, done the moment they are made.

There each is a payment (`destination_payments.py`), and from there it can come back (`reversals.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance, destination_payments, reversals
from .accounts import can_receive
from .currencies import check_currency, check_positive, check_step
from .errors import bad_parameter, invalid, missing, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

_TOO_LITTLE = (
    "You have insufficient available funds in your Stripe account. Try adding funds directly to your "
    "available balance by creating Charges using the 4000000000000077 test card. See: "
    "https://stripe.com/docs/testing#available-balance"
)
_CANNOT_RECEIVE = (
    "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
    "crypto_transfers, legacy_payments"
)


def create(tx: Tx, params: Params) -> Object:
    """Only what is available can be sent; it is available at once where it arrives, in the same currency."""
    only(params, "amount", "currency", "description", "destination", "metadata", "transfer_group")
    if tx.account:
        raise unsupported("Stripe-Account", what="transfers from a connected account")
    currency = check_currency(params["currency"])
    amount = _amount(params, currency)
    destination = _destination(tx, params["destination"])
    if balance.available(tx, currency) < amount:
        raise invalid(_TOO_LITTLE, code="balance_insufficient")
    transfer_id = tx.ids.new("tr_")
    sent = balance.Movement(
        kind="transfer",
        reporting_category="transfer",
        amount=-amount,
        currency=currency,
        source=transfer_id,
        description=params.get("description"),
    )
    booked = balance.move(tx, sent, pending=False)
    there = tx.on(destination["id"])
    payment = destination_payments.make(there, transfer_id, amount=amount, currency=currency)
    transfer = shaped(
        "transfer",
        {
            "id": transfer_id,
            "object": "transfer",
            "amount": amount,
            "amount_reversed": 0,
            "balance_transaction": booked["id"],
            "created": tx.now,
            "currency": currency,
            "description": params.get("description"),
            "destination": destination["id"],
            "destination_payment": payment["id"],
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "reversals": reversals.embedded(tx, transfer_id),
            "reversed": False,
            "source_type": "card",
            "transfer_group": params.get("transfer_group"),
        },
    )
    tx.insert(transfer)
    tx.emit("transfer.created", transfer)
    return transfer


def retrieve(tx: Tx, _params: Params, *, transfer: str) -> Object:
    return tx.fetch("transfer", transfer, param="transfer").body


def update(tx: Tx, params: Params, *, transfer: str) -> Object:
    before = tx.fetch("transfer", transfer, param="transfer").body
    after = before | {"metadata": merge_metadata(before["metadata"], params.get("metadata"))}
    if "description" in params:
        after["description"] = params["description"]
    return tx.save_and_emit("transfer.updated", before, after)


def list_all(tx: Tx, params: Params) -> Object:
    return page(tx, "transfer", params, url="/v1/transfers", equal=("destination", "transfer_group"))


def _amount(params: Params, currency: str) -> int:
    """The specification lets it out, for transfers of a charge, which are not here."""
    if "amount" not in params:
        raise bad_parameter("Missing required param: amount.", param="amount", code="parameter_missing")
    amount = check_positive(params["amount"])
    check_step(amount, currency)
    return amount


def _destination(tx: Tx, account_id: str) -> Object:
    """An account that can receive. Raises StripeError; one that is connected no more never was."""
    stored = tx.store.find("account", account_id, account="")
    if stored is None or stored.deleted:
        raise missing("destination", account_id, param="destination", status=400)
    if not can_receive(stored.body):
        raise invalid(_CANNOT_RECEIVE, param="destination", code="insufficient_capabilities_for_transfer")
    return stored.body
