"""What the disputes of a charge mean for its refunds.

Below both nouns: a refund asks here whether it may be, and a dispute that begins ends refunds under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import invalid

if TYPE_CHECKING:
    from .objects import Object
    from .transaction import Tx

REFUNDABLE = {"warning_needs_response", "warning_under_review", "warning_closed", "won"}
"""The states in which the bank holds nothing of the payment."""


def of_charge(tx: Tx, charge_id: str) -> list[Object]:
    """Oldest first."""
    found = tx.store.all_objects("dispute", where="json_extract(body, '$.charge') = ?", values=(charge_id,))
    return [stored.body for stored in found]


def refuse_refund(tx: Tx, charge: Object) -> None:
    """Raise StripeError where a bank has taken the payment back. An inquiry hinders nothing."""
    if any(dispute["status"] not in REFUNDABLE for dispute in of_charge(tx, charge["id"])):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )


def refundable(status: str, charge: Object) -> bool:
    """`is_charge_refundable`: where nothing is left, nothing can be refunded."""
    return status in REFUNDABLE and not charge["refunded"]


def show_refunds(tx: Tx, charge: Object) -> None:
    """A refund was made or came back: the charge's disputes say whether there can be more."""
    for before in of_charge(tx, charge["id"]):
        after = before | {"is_charge_refundable": refundable(before["status"], charge)}
        tx.save_and_emit("charge.dispute.updated", before, after)
