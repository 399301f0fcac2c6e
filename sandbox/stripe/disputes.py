"""Disputes: a cardholder's bank takes a payment back. An inquiry is the bank's question whether it should.

inquiry: warning_needs_response ──> warning_under_review ──> warning_closed, prevented
                    └───────────────────────┴──> needs_response
dispute: needs_response ──> under_review ──> won, lost
Whatever follows a review may also come without one. The amount and a fee leave the balance with
needs_response and are in it again when the dispute is won; an inquiry moves nothing. Stripe decides by the
evidence, or the control `/disputes` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import balance, disputed, refunds
from .cards import NETWORK_REASON_CODES
from .currencies import check_positive, check_step, displayed
from .errors import invalid, unsupported
from .lists import page
from .objects import Object, changed, merge_metadata, shaped
from .spec import specification
from .support import only

if TYPE_CHECKING:
    from .cards import Complaint
    from .parameters import Params
    from .transaction import Tx

ANSWERED_WITHIN_DAYS = 8
"""Evidence is taken until the end of that day (UTC)."""
DECIDED_AFTER_S = 5.0
"""Virtual seconds from evidence with one of Stripe's test words to what it brings about."""
INQUIRY_LAPSES_AFTER_S = 120.0 * balance.DAY_S
"""Virtual seconds after which an inquiry that nothing came of is over."""

_INQUIRY_CODE = "10"
_NEXT = {
    "warning_needs_response": {"warning_under_review", "warning_closed", "prevented", "needs_response"},
    "warning_under_review": {"warning_closed", "prevented", "needs_response"},
    "needs_response": {"under_review", "won", "lost"},
    "under_review": {"won", "lost"},
}
_REVIEWED = {"warning_needs_response": "warning_under_review", "needs_response": "under_review"}
_OVER = {"won", "lost", "warning_closed"}
"""What `charge.dispute.closed` is for; nothing that happened to the payment is prevented."""
_GIVEN_UP = _OVER - {"lost"} | {"prevented"}
_VERDICTS = {
    "winning_evidence": {"under_review": "won", "warning_under_review": "warning_closed"},
    "losing_evidence": {"under_review": "lost", "warning_under_review": "warning_closed"},
    "escalate_inquiry_evidence": {"warning_under_review": "needs_response"},
}
"""By Stripe's test words in `uncategorized_text`."""

# Endpoints


def retrieve(tx: Tx, _params: Params, *, dispute: str) -> Object:
    return tx.fetch("dispute", dispute, param="dispute").body


def list_all(tx: Tx, params: Params) -> Object:
    return page(tx, "dispute", params, url="/v1/disputes", equal=("charge", "payment_intent"))


def update(tx: Tx, params: Params, *, dispute: str) -> Object:
    """Evidence goes to the bank unless `submit` is false: it is then kept until another update."""
    only(params, "evidence", "metadata", "submit")
    before = _open(tx, dispute)
    evidence = before["evidence"] | _words(params.get("evidence", {}))
    there_is_some = any(isinstance(text, str) for text in evidence.values())
    submitted = there_is_some and params.get("submit", "evidence" in params)
    after = before | {
        "evidence": evidence,
        "evidence_details": _details(before, tx.now, has_evidence=there_is_some, submitted=submitted),
        "metadata": merge_metadata(before["metadata"], params.get("metadata")),
    }
    if submitted:
        after["status"] = _REVIEWED.get(before["status"], before["status"])
        tx.schedule("evidence_weighed", dispute, due=tx.clock.now() + DECIDED_AFTER_S)
    return tx.save_and_emit("charge.dispute.updated", before, after)


def close(tx: Tx, _params: Params, *, dispute: str) -> Object:
    """Accept it: the money is lost. An inquiry, which took none, is not for us to end."""
    if "lost" not in _NEXT[_open(tx, dispute)["status"]]:
        raise invalid("An inquiry cannot be closed: refund the charge, or wait for the bank.")
    return conclude(tx, dispute, "lost")


# What banks do


def complain(tx: Tx, charge: Object, complaint: Complaint) -> None:
    """Dispute what was charged just now, for the card is one of those."""
    open_against(tx.unasked(), charge["id"], reason=complaint.reason, inquiry=complaint.inquiry)


def open_against(
    tx: Tx, payment: str, *, reason: str, inquiry: bool = False, amount: int | None = None
) -> Object:
    """Dispute a charge, or an intent's: all that is not in dispute yet, or `amount` of it, refunded or not.

    Raises StripeError for what was not paid by card, and for more than that.
    """
    charge = _charge(tx, payment)
    status = "warning_needs_response" if inquiry else "needs_response"
    dispute = shaped(
        "dispute",
        {
            "id": tx.ids.new("du_"),
            "object": "dispute",
            "amount": _amount(tx, charge, amount),
            "balance_transactions": [],
            "charge": charge["id"],
            "created": tx.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": shaped("dispute_evidence", {"enhanced_evidence": {}}),
            "evidence_details": {
                "due_by": _due_by(tx),
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": disputed.refundable(status, charge),
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": _card_details(charge, reason, inquiry=inquiry),
            "reason": reason,
            "status": status,
        },
    )
    tx.insert(dispute)
    tx.save(charge | {"disputed": True})
    tx.emit("charge.dispute.created", dispute)
    if not inquiry:
        return _withdraw(tx, dispute)
    tx.schedule("inquiry_lapses", dispute["id"], due=tx.clock.now() + INQUIRY_LAPSES_AFTER_S)
    return dispute


def conclude(
    tx: Tx, dispute_id: str, status: str, *, amount: int | None = None, fee_returned: bool = True
) -> Object:
    """Move a dispute along its picture. Raises StripeError for an arrow that is not there.

    `under_review` will do for an inquiry too. `amount` and `fee_returned` are of one that is won: how much
    comes back, all by default, and whether the fee comes back with it.
    """
    before = tx.fetch("dispute", dispute_id, param="dispute").body
    if status == "under_review":
        status = _REVIEWED.get(before["status"], status)
    if status not in _NEXT.get(before["status"], ()):
        raise invalid(f"The dispute {dispute_id} is {before['status']}: it cannot become {status}.")
    if status == "needs_response":
        return _escalate(tx, before)
    charge = tx.fetch("charge", before["charge"], param="charge").body
    after = before | {"status": status, "is_charge_refundable": disputed.refundable(status, charge)}
    if status == "won":
        after = _reinstate(tx, after, amount=amount, fee_returned=fee_returned)
    if status in _OVER:
        tx.emit("charge.dispute.closed", tx.save(after))
        return after
    return tx.save_and_emit("charge.dispute.updated", before, after)


# Timers


def weigh(tx: Tx, dispute_id: str) -> None:
    """The bank has read the evidence. Without one of the test words it goes on thinking."""
    body = tx.fetch("dispute", dispute_id, param="dispute").body
    verdict = _VERDICTS.get(body["evidence"]["uncategorized_text"], {}).get(body["status"])
    if verdict is not None:
        conclude(tx, dispute_id, verdict)


def fall_due(tx: Tx, dispute_id: str) -> None:
    """Nobody answered in time."""
    if tx.fetch("dispute", dispute_id, param="dispute").body["status"] == "needs_response":
        conclude(tx, dispute_id, "lost")


def lapse(tx: Tx, dispute_id: str) -> None:
    """An inquiry is over, unless something else became of it meanwhile."""
    status = tx.fetch("dispute", dispute_id, param="dispute").body["status"]
    if "warning_closed" in _NEXT.get(status, ()):
        conclude(tx, dispute_id, "warning_closed")


# Money


def _withdraw(tx: Tx, dispute: Object) -> Object:
    """The bank has the money, unless all of it was refunded. Refunds that are not done yet never will be."""
    tx.schedule("dispute_falls_due", dispute["id"], due=dispute["evidence_details"]["due_by"])
    refunds.fail_unfinished(tx, dispute["charge"], failure_reason="charge_for_pending_refund_disputed")
    if tx.fetch("charge", dispute["charge"], param="charge").body["refunded"]:
        return dispute
    fee = balance.dispute_fee(dispute["currency"])
    booked = _book(tx, dispute, "dispute", -dispute["amount"], fee=fee)
    after = tx.save(dispute | {"balance_transactions": [booked]})
    tx.emit("charge.dispute.funds_withdrawn", after)
    return after


def _reinstate(tx: Tx, dispute: Object, *, amount: int | None, fee_returned: bool) -> Object:
    """Give back what was taken. Raises StripeError for more than that."""
    taken = -sum(booked["amount"] for booked in dispute["balance_transactions"])
    back = taken if amount is None else amount
    if back > taken:
        raise invalid(f"The dispute {dispute['id']} took {displayed(taken, dispute['currency'])}, no more.")
    if not back:
        return dispute
    fee = sum(booked["fee"] for booked in dispute["balance_transactions"]) if fee_returned else 0
    booked = _book(tx, dispute, "dispute_reversal", back, fee=-fee)
    after = tx.save(dispute | {"balance_transactions": [*dispute["balance_transactions"], booked]})
    tx.emit("charge.dispute.funds_reinstated", after)
    return after


def _book(tx: Tx, dispute: Object, category: str, amount: int, *, fee: int) -> Object:
    check_step(amount, dispute["currency"])
    words = "Chargeback withdrawal" if category == "dispute" else "Chargeback reversal"
    movement = balance.Movement(
        kind="adjustment",
        reporting_category=category,
        amount=amount,
        currency=dispute["currency"],
        source=dispute["id"],
        description=f"{words} for {dispute['charge']}",
        fee=fee,
        fee_description="Dispute fee",
    )
    return balance.move(tx, movement, pending=False)


# Parts


def _open(tx: Tx, dispute_id: str) -> Object:
    """Raises StripeError for one that is over."""
    body = tx.fetch("dispute", dispute_id, param="dispute").body
    if body["status"] not in _NEXT:
        raise invalid("This dispute is already closed")
    return body


def _escalate(tx: Tx, before: Object) -> Object:
    """The bank's question becomes a claim."""
    charge = tx.fetch("charge", before["charge"], param="charge").body
    after = before | {
        "evidence_details": before["evidence_details"] | {"due_by": _due_by(tx), "past_due": False},
        "is_charge_refundable": False,
        "payment_method_details": _card_details(charge, before["reason"], inquiry=False),
        "status": "needs_response",
    }
    tx.save(after)
    tx.emit("charge.dispute.updated", after, previous=changed(before, after))
    return _withdraw(tx, after)


def _charge(tx: Tx, payment: str) -> Object:
    """Raises StripeError."""
    if payment.startswith("pi_"):
        intent = tx.fetch("payment_intent", payment, param="payment_intent").body
        payment = intent["latest_charge"] or payment
    charge = tx.fetch("charge", payment, param="charge").body
    if not charge["paid"] or charge["payment_method_details"]["type"] != "card":
        raise invalid(f"The charge {payment} is no successful payment by card: no bank disputes it.")
    return charge


def _amount(tx: Tx, charge: Object, wanted: int | None) -> int:
    """Raises StripeError."""
    in_dispute = sum(
        one["amount"] for one in disputed.of_charge(tx, charge["id"]) if one["status"] not in _GIVEN_UP
    )
    rest: int = charge["amount"] - in_dispute
    if rest == 0:
        raise invalid(f"All of the charge {charge['id']} is in dispute.")
    amount = check_positive(rest if wanted is None else wanted)
    check_step(amount, charge["currency"])
    if amount > rest:
        raise invalid(
            f"No more than {displayed(rest, charge['currency'])} of {charge['id']} can be disputed.",
            param="amount",
        )
    return amount


def _due_by(tx: Tx) -> int:
    return balance.next_midnight(tx.now) + ANSWERED_WITHIN_DAYS * balance.DAY_S - 1


def _card_details(charge: Object, reason: str, *, inquiry: bool) -> Object:
    brand = charge["payment_method_details"]["card"]["brand"]
    code = _INQUIRY_CODE if inquiry else NETWORK_REASON_CODES[reason]
    card = {
        "brand": brand,
        "case_type": "inquiry" if inquiry else "chargeback",
        "network_reason_code": code if brand == "visa" else None,
    }
    return {"card": shaped("dispute_payment_method_details_card", card), "type": "card"}


def _words(given: Params) -> Params:
    """Evidence that can be read; the sandbox keeps no files. Raises NotExecuted for any other."""
    kinds = specification().schema("dispute_evidence")["properties"]
    for name in given:
        if kinds[name].get("type") != "string":
            raise unsupported(f"evidence[{name}]", what="evidence other than words")
    return given


def _details(before: Object, now: int, *, has_evidence: bool, submitted: bool) -> Object:
    """Late evidence is taken too, and marked."""
    details: Object = before["evidence_details"]
    if submitted:
        late = now > details["due_by"]
        details = details | {"past_due": late, "submission_count": details["submission_count"] + 1}
    return details | {"has_evidence": has_evidence}
