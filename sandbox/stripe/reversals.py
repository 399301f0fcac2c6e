"""Reversals: transferred money taken back from the connected account, in whole or in parts, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import accounts, balance, destination_payments
from .currencies import check_positive, check_step, displayed
from .errors import invalid, missing
from .lists import LIMIT_DEFAULT, page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

_TOO_LITTLE = (
    "Insufficient funds in the connected account: reversing a transfer cannot bring its available balance "
    "below zero."
)


def create(tx: Tx, params: Params, *, id: str) -> Object:
    """Raises StripeError for more than the rest, and for more than the account has available."""
    only(params, "amount", "description", "metadata")
    before = tx.fetch("transfer", id, param="id").body
    account = accounts.connected(tx, before["destination"])
    there = tx.on(account["id"])
    amount, currency = _amount(params, before), before["currency"]
    if balance.available(there, currency) < amount:
        raise invalid(_TOO_LITTLE, code="balance_insufficient")
    reversal_id = tx.ids.new("trr_")
    back = balance.Movement(
        kind="transfer_refund",
        reporting_category="transfer_reversal",
        amount=amount,
        currency=currency,
        source=reversal_id,
        description=params.get("description"),
    )
    booked = balance.move(tx, back, pending=False)
    refund = destination_payments.refund(there, before["destination_payment"], reversal_id, amount=amount)
    reversal = shaped(
        "transfer_reversal",
        {
            "id": reversal_id,
            "object": "transfer_reversal",
            "amount": amount,
            "balance_transaction": booked["id"],
            "created": tx.now,
            "currency": currency,
            "destination_payment_refund": refund["id"],
            "metadata": merge_metadata({}, params.get("metadata")),
            "transfer": id,
        },
    )
    tx.insert(reversal)
    taken_back = before["amount_reversed"] + amount
    after = before | {"amount_reversed": taken_back, "reversed": taken_back == before["amount"]}
    tx.emit("transfer.reversed", tx.save(after | {"reversals": embedded(tx, id)}))
    return reversal


def retrieve(tx: Tx, _params: Params, *, transfer: str, id: str) -> Object:
    tx.fetch("transfer", transfer, param="transfer")
    body = tx.fetch("transfer_reversal", id, param="id").body
    if body["transfer"] != transfer:
        raise missing("transfer_reversal", id, param="id")
    return body


def update(tx: Tx, params: Params, *, transfer: str, id: str) -> Object:
    """The transfer shows its newest reversals, and so has changed with them."""
    before = retrieve(tx, {}, transfer=transfer, id=id)
    after = tx.save(before | {"metadata": merge_metadata(before["metadata"], params.get("metadata"))})
    shown = tx.fetch("transfer", transfer, param="transfer").body
    tx.save_and_emit("transfer.updated", shown, shown | {"reversals": embedded(tx, transfer)})
    return after


def list_all(tx: Tx, params: Params, *, id: str) -> Object:
    tx.fetch("transfer", id, param="id")
    return _of(tx, id, params)


def embedded(tx: Tx, transfer_id: str) -> Object:
    """As a transfer shows them: the newest ten."""
    return _of(tx, transfer_id, {"limit": LIMIT_DEFAULT})


def _of(tx: Tx, transfer_id: str, params: Params) -> Object:
    url = f"/v1/transfers/{transfer_id}/reversals"
    wish = params | {"transfer": transfer_id}
    return page(tx, "transfer_reversal", wish, url=url, equal=("transfer",))


def _amount(params: Params, transfer: Object) -> int:
    """What is asked for, or else the rest. Raises StripeError for more than that."""
    rest: int = transfer["amount"] - transfer["amount_reversed"]
    if rest == 0:
        raise invalid(f"Transfer {transfer['id']} has already been fully reversed.")
    amount = check_positive(params.get("amount", rest))
    currency = transfer["currency"]
    check_step(amount, currency)
    if amount > rest:
        raise invalid(
            f"Reversal amount ({displayed(amount, currency)}) is greater than unreversed amount on transfer "
            f"({displayed(rest, currency)})",
            param="amount",
            code="amount_too_large",
        )
    return amount
