"""Deposits: each is what its intents make of it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from domain.kernel.database import Row
from tests.invariants.history.reckoning.sides import Sides, received
from tests.invariants.history.stripe import is_foreign
from tests.invariants.history.world import SETTLED, World

_STATES = {
    "requires_payment_method": "REQUIRES_PAYMENT",
    "requires_confirmation": "REQUIRES_PAYMENT",
    "requires_action": "REQUIRES_ACTION",
    "processing": "PROCESSING",
    "canceled": "CANCELED",
}


def differences(sides: Sides) -> Iterator[str]:
    """Each is what its intents make of it."""
    for row in sides.deposits:
        own = [one for one in sides.intents_of(row) if not is_foreign(one)]
        receipts = {receipt["payment_intent_id"]: receipt for receipt in row["receipts"]}
        paid = [one for one in sides.intents_of(row) if one["status"] == "succeeded"]
        agreed = paid_as_agreed(row, own)
        for intent in paid:
            receipt = receipts.get(intent["id"])
            told = receipt and (receipt["amount"], receipt["currency"])
            if intent not in agreed and told != received(intent):
                yield f"{row['_id']} was paid by {intent['id']}, and has {told} of it"
        if not own and _may_not_be_asked(row):
            continue
        expected = _state(row, own[0] if own else None, sides.sessions_of(row), agreed=bool(agreed))
        if row["status"] not in expected:
            yield f"{row['_id']} is {row['status']}, not {expected}"


def waiting(sides: Sides) -> Iterator[tuple[Row, Row]]:
    """Receipts, each with its deposit, that are not decided about, or not carried out."""
    for row in sides.deposits:
        for receipt in row["receipts"]:
            if not (receipt["resolution"] and receipt["resolution"]["done"]):
                yield row, receipt


def unsettled(sides: Sides) -> Iterator[str]:
    """None may still wait, but for a person's decision: and a refund that was decided may take its hours."""
    for row in sides.deposits:
        if row["status"] not in SETTLED | {"NEEDS_REVIEW"} or row["next_attempt_at"]:
            yield f"{row['_id']} is {row['status']}, and due at {row['next_attempt_at']}"


def paid_as_agreed(row: Row, intents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    agreed = (row["amount"], row["currency"])
    return [one for one in intents if not is_foreign(one) and received(one) == agreed]


def _may_not_be_asked(row: Row) -> bool:
    """A saved card that was perhaps charged, and now shall not be: until the key is spent, a day later."""
    asked = row["attempt"] is not None and row["attempt"]["unknown"]
    return bool(asked and row["saved_card"] and row["cancellation"] and row["status"] not in SETTLED)


def _state(row: Row, own: dict[str, Any] | None, sessions: list[dict[str, Any]], *, agreed: bool) -> set[str]:
    if agreed:
        return {"SUCCEEDED"}
    if row["receipts"]:
        done = [r["resolution"] for r in row["receipts"] if r["resolution"] and r["resolution"]["done"]]
        credited = any(decision["outcome"] == "CREDIT" for decision in done)
        if len(done) < len(row["receipts"]):
            # What came after a credit had settled it waits in a deposit that stays as it is.
            return {"NEEDS_REVIEW", "SUCCEEDED"} if credited else {"NEEDS_REVIEW"}
        return {"SUCCEEDED" if credited else "CANCELED"}
    page = sessions[0]["status"] if sessions else None
    if own is None or page == "expired":
        return {"REQUIRES_PAYMENT" if page == "open" else "CANCELED"}
    if own["status"] == "requires_payment_method" and own["last_payment_error"] is not None:
        return {"CANCELED" if page == "complete" else "FAILED"}
    return {_STATES.get(own["status"], "NEEDS_REVIEW")}


def one_of_each(world: World, sides: Sides) -> Iterator[str]:
    """One deposit for each wish, one intent for each deposit, one Customer for each person."""
    wishes = {(wish.payer.person.id, wish.key): wish for wish in world.wishes}
    for row in sides.deposits:
        wish = wishes.get((row["owner"], row["idempotency"]["key"]))
        if wish is None or wish.deposit not in {None, row["_id"]}:
            yield f"nobody wished for {row['_id']}"
        own = [one["id"] for one in sides.intents_of(row) if not is_foreign(one)]
        if row["checkout"] is not None:
            yield from _one_page(sides, row, own)
        elif own != [row["payment_intent_id"]] and (own or row["status"] != "CANCELED"):
            yield f"{row['_id']} is {row['status']}, has {row['payment_intent_id']}, and Stripe has {own}"
    made = {row["_id"] for row in sides.deposits}
    yield from (f"{wish.deposit} is gone" for wish in world.wishes if wish.deposit not in {None, *made})
    persons = Counter(customer["metadata"]["user_id"] for customer in sides.customers)
    yield from (f"{person} is {count} Customers" for person, count in persons.items() if count != 1)


def _one_page(sides: Sides, row: Row, own: list[str]) -> Iterator[str]:
    """One page at most, and one intent behind it, once somebody tried to pay there."""
    pages = [session["id"] for session in sides.sessions_of(row)]
    if pages != [row["checkout"]["session_id"]] and (pages or row["status"] != "CANCELED"):
        yield f"{row['_id']} is {row['status']}, on {row['checkout']['session_id']}, and Stripe has {pages}"
    if own != ([] if row["payment_intent_id"] is None else [row["payment_intent_id"]]):
        yield f"{row['_id']} is {row['status']}, has {row['payment_intent_id']}, and Stripe has {own}"
