"""Refunds: money back to the card, in whole or in part. It leaves the balance when the refund is made.

pending ──> requires_action
   └───────────┴──> succeeded ──> failed
               └──> failed, canceled
Failed and canceled: the money is in the balance again, and the charge can be refunded once more. A card's
refund never requires action by itself, nor is it canceled; the control `/refunds` makes it happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance, disputed, payment_methods
from .cards import RefundOutcome
from .currencies import check_step, displayed
from .errors import StripeError, bad_parameter, invalid, unsupported
from .lists import page
from .objects import Object, changed, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

BANK_TAKES_S = 86_400.0
"""Virtual seconds until a bank has taken, or sent back, what was not done at once."""

_NEXT = {
    "pending": {"succeeded", "requires_action", "failed", "canceled"},
    "requires_action": {"succeeded", "failed", "canceled"},
    "succeeded": {"failed"},
}
_GIVEN_BACK = {"failed", "canceled"}
_CARD_DETAILS: Object = {
    "card": {
        "reference": "123456789012",
        "reference_status": "available",
        "reference_type": "acquirer_reference_number",
        "type": "refund",
    },
    "type": "card",
}
_BANK_DETAILS: Object = {
    "type": "us_bank_transfer",
    "us_bank_transfer": {"reference": None, "reference_status": "pending"},
}
_OF_PAYMENTS = {"refund": "payment_refund", "refund_failure": "payment_failure_refund"}
"""What the balance calls them where it was no card that paid. The reporting category is the same."""


def create(tx: Tx, params: Params) -> Object:
    """The balance may go below zero by it, as Stripe's does."""
    only(params, "amount", "charge", "metadata", "payment_intent", "reason")
    charge = _charge(tx, params)
    disputed.refuse_refund(tx, charge)
    amount = _amount(params, charge)
    refund_id = tx.ids.new("re_" if _is_by_card(charge) else "pyr_")
    booked = _book(tx, "refund", refund_id, charge, -amount)
    outcome = _outcome(tx, charge)
    pending = {"status": "pending", "pending_reason": "processing"}
    refund = shaped(
        "refund",
        {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": booked["id"],
            "charge": charge["id"],
            "created": tx.now,
            "currency": charge["currency"],
            "destination_details": _CARD_DETAILS if _is_by_card(charge) else _BANK_DETAILS,
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_intent": charge["payment_intent"],
            "reason": params.get("reason"),
            **(pending if outcome is RefundOutcome.PENDS else {"status": "succeeded"}),
        },
    )
    tx.insert(refund)
    tx.emit("refund.created", refund)
    tx.emit("charge.refunded", _refunded_by(tx, charge, amount))
    if outcome is RefundOutcome.PENDS:
        tx.schedule("refund_arrives", refund_id, due=tx.clock.now() + BANK_TAKES_S)
    elif outcome is RefundOutcome.FAILS:
        tx.schedule("refund_bounces", refund_id, due=tx.clock.now() + BANK_TAKES_S)
    return refund


def retrieve(tx: Tx, _params: Params, *, refund: str) -> Object:
    return tx.fetch("refund", refund, param="refund").body


def update(tx: Tx, params: Params, *, refund: str) -> Object:
    before = tx.fetch("refund", refund, param="refund").body
    after = before | {"metadata": merge_metadata(before["metadata"], params.get("metadata"))}
    return _save_and_announce(tx, before, after)


def cancel(tx: Tx, _params: Params, *, refund: str) -> Object:
    """Stripe lets only those go that wait for the customer."""
    body = tx.fetch("refund", refund, param="refund").body
    if body["status"] != "requires_action":
        raise invalid(
            f"You cannot cancel this Refund because it has a status of {body['status']}. "
            "Only a Refund with the status requires_action may be canceled."
        )
    return conclude(tx, refund, "canceled")


def list_all(tx: Tx, params: Params) -> Object:
    return page(tx, "refund", params, url="/v1/refunds", equal=("charge", "payment_intent"))


def conclude(tx: Tx, refund_id: str, status: str, *, failure_reason: str = "unknown") -> Object:
    """Move a refund along its picture. Raises StripeError for an arrow that is not there."""
    before = tx.fetch("refund", refund_id, param="refund").body
    if status not in _NEXT.get(before["status"], ()):
        raise invalid(f"The refund {refund_id} is {before['status']}: it cannot become {status}.")
    after = {name: value for name, value in before.items() if name != "pending_reason"} | {"status": status}
    if status in _GIVEN_BACK:
        charge = tx.fetch("charge", before["charge"], param="charge").body
        booked = _book(tx, "refund_failure", refund_id, charge, before["amount"])
        after["failure_balance_transaction"] = booked["id"]
        after["failure_reason"] = "merchant_request" if status == "canceled" else failure_reason
        _refunded_by(tx, charge, -before["amount"])
    _save_and_announce(tx, before, after)
    if status == "failed":
        tx.emit("refund.failed", after)
    return after


def fail_unfinished(tx: Tx, charge_id: str, *, failure_reason: str) -> None:
    """Those of a charge that no bank has taken yet."""
    unfinished = tx.store.all_objects(
        "refund",
        where="json_extract(body, '$.charge') = ? "
        "AND json_extract(body, '$.status') IN ('pending', 'requires_action')",
        values=(charge_id,),
    )
    for stored in unfinished:
        conclude(tx, stored.body["id"], "failed", failure_reason=failure_reason)


def arrive(tx: Tx, refund_id: str) -> None:
    """A timer: the bank has taken it, unless something else became of it meanwhile."""
    if tx.fetch("refund", refund_id, param="refund").body["status"] == "pending":
        conclude(tx, refund_id, "succeeded")


def bounce(tx: Tx, refund_id: str) -> None:
    """A timer: the bank sends it back."""
    if tx.fetch("refund", refund_id, param="refund").body["status"] == "succeeded":
        conclude(tx, refund_id, "failed", failure_reason="expired_or_canceled_card")


def _charge(tx: Tx, params: Params) -> Object:
    """The successful charge that is meant. Raises StripeError."""
    named = [name for name in ("charge", "payment_intent") if name in params]
    if not named:
        raise bad_parameter(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    if len(named) > 1:
        raise bad_parameter(
            "You may only specify one of these parameters: charge, payment_intent.",
            param="charge",
            code="parameters_exclusive",
        )
    [name] = named
    body = tx.referenced(name, params[name], param=name).body
    charge_id, intent_id = (
        (body["id"], body["payment_intent"]) if name == "charge" else (body["latest_charge"], body["id"])
    )
    charge = tx.fetch("charge", charge_id, param=name).body if charge_id else None
    if charge is not None and charge["source_transfer"] is not None:
        raise unsupported(name, what="refunds of a transfer by whoever received it; reverse the transfer")
    if charge is None or not charge["paid"]:
        raise invalid(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.", param=name
        )
    return charge


def _amount(params: Params, charge: Object) -> int:
    """What is asked for, or else the rest. Raises StripeError for more than that."""
    rest: int = charge["amount"] - charge["amount_refunded"]
    amount: int = params.get("amount", rest)
    if rest == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount < 1:
        raise StripeError(400, "Invalid positive integer", param="amount", code="parameter_invalid_integer")
    check_step(amount, charge["currency"])
    if amount > rest:
        currency = charge["currency"]
        raise invalid(
            f"Refund amount ({displayed(amount, currency)}) is greater than unrefunded amount on charge "
            f"({displayed(rest, currency)})",
            param="amount",
            code="amount_too_large",
        )
    check_step(amount, charge["currency"])
    return amount


def _outcome(tx: Tx, charge: Object) -> RefundOutcome:
    stored = tx.fetch("payment_method", charge["payment_method"], param="payment_method")
    return payment_methods.card_of(stored).refund if _is_by_card(charge) else RefundOutcome.PENDS


def _is_by_card(charge: Object) -> bool:
    return bool(charge["payment_method_details"]["type"] == "card")


def _book(tx: Tx, kind: str, refund_id: str, charge: Object, amount: int) -> Object:
    movement = balance.Movement(
        kind=kind if _is_by_card(charge) else _OF_PAYMENTS[kind],
        reporting_category=kind,
        amount=amount,
        currency=charge["currency"],
        source=refund_id,
        description=charge["description"],
    )
    return balance.move(tx, movement, pending=False)


def _refunded_by(tx: Tx, charge: Object, amount: int) -> Object:
    refunded = charge["amount_refunded"] + amount
    after = tx.save(charge | {"amount_refunded": refunded, "refunded": refunded == charge["amount"]})
    disputed.show_refunds(tx, after)
    return after


def _save_and_announce(tx: Tx, before: Object, after: Object) -> Object:
    """In both families of events, as Stripe does."""
    previous = changed(before, after)
    tx.save(after)
    if previous:
        for event_type in ("refund.updated", "charge.refund.updated"):
            tx.emit(event_type, after, previous=previous)
    return after
