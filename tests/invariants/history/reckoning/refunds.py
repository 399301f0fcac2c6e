"""Refunds: each is what Stripe has of it, and waits only for what is told."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from domain.kernel.database import Row
from tests.house.refunds import present
from tests.invariants.history import people
from tests.invariants.history.reckoning.sides import Sides, in_ours
from tests.invariants.history.world import Claim, World

OVER = {"FAILED", "CANCELED"}
SETTLED = OVER | {"SUCCEEDED"}
_STATES = {
    "pending": "PROCESSING",
    "requires_action": "REQUIRES_ACTION",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "canceled": "CANCELED",
}
_REASONS = {"WALLET_FROZEN", "PAYER_ACTION", "BANK", "REVIEW"}


def differences(world: World, sides: Sides) -> Iterator[str]:
    claims = {claim.id: claim for claim in world.claims}
    for row in sides.paybacks:
        made = at_stripe(sides, row)
        if made is None:
            expected = _not_sent(world, sides, row, claims.get(row["_id"]))
        else:
            expected = {_STATES[made["status"]]}
            amount = in_ours(made["amount"], made["currency"])
            if amount != (row["amount"], row["currency"]):
                yield f"{row['_id']} is of {row['amount']}, and {made['id']} of {amount}"
        if row["status"] not in expected:
            known = made and (made["id"], made["status"])
            yield f"{row['_id']} is {row['status']}, not {expected}; Stripe has {known}"
    yield from _unknown(sides)
    yield from _taken(sides)


def at_stripe(sides: Sides, row: Row) -> dict[str, Any] | None:
    """By Stripe's id where we know it, else as what names this refund: nobody may have told us."""
    known = row["sent"] and row["sent"]["id"]
    for one in sides.refunds:
        if one["id"] == known or (known is None and one["metadata"].get("refund_id") == row["_id"]):
            return one
    return None


def own(sides: Sides) -> list[dict[str, Any]]:
    """Stripe's refunds but for those that send back what was not agreed."""
    return [one for one in sides.refunds if "resolution_id" not in one["metadata"]]


def one_of_each(world: World, sides: Sides) -> Iterator[str]:
    """One refund for each claim, and one at Stripe for each refund; never more than was paid."""
    made = {(row["idempotency"]["key"]): row for row in sides.paybacks if row["origin"] == "PRODUCT"}
    for claim in world.claims:
        row = made.pop(claim.key, None)
        if claim.id is not None and (row is None or row["_id"] != claim.id):
            yield f"{claim.id} is gone"
    yield from (f"nobody asked for {row['_id']}" for row in made.values())
    named = Counter(one["metadata"].get("refund_id") for one in own(sides))
    yield from (f"{name} was sent {count} times" for name, count in named.items() if name and count > 1)
    back: Counter[str] = Counter()
    for one in sides.refunds:
        back[one["payment_intent"]] += 0 if one["status"] in {"failed", "canceled"} else one["amount"]
    for intent in sides.intents:
        if back[intent["id"]] > intent["amount_received"]:
            yield f"{intent['id']} brought {intent['amount_received']}, and {back[intent['id']]} went back"


def told(sides: Sides) -> Counter[tuple[str, str, str]]:
    """What statements must show of each refund, by its id, person and currency: what Stripe has of it."""
    told: Counter[tuple[str, str, str]] = Counter()
    for row in sides.paybacks:
        made = at_stripe(sides, row)
        if made is not None and made["status"] not in {"failed", "canceled"}:
            amount, currency = in_ours(made["amount"], made["currency"])
            told[row["_id"], row["owner"], currency] -= amount
    return told


async def waiting(world: World, sides: Sides) -> list[str]:
    """Whatever is not settled says why."""
    found = []
    for row in sides.paybacks:
        if row["status"] in SETTLED:
            continue
        seen = await present(await people.admin(world, 0), {"id": row["_id"]})
        waits = seen["waitingFor"] and seen["waitingFor"]["code"]
        if waits not in _REASONS:
            found.append(f"{row['_id']} is {seen['status']}, and waits for {waits}")
    return found


def _not_sent(world: World, sides: Sides, row: Row, claim: Claim | None) -> set[str]:
    """Where Stripe has nothing of it."""
    if claim is not None and claim.canceled:
        return {"CANCELED"}
    expected = set()
    if row["owner"] in world.shaken:
        # The bank, or somebody at Stripe, was first.
        expected |= {"CANCELED", "FAILED"}
    if sides.wallet(row["wallet"])["freezes"]:
        expected |= {"PENDING", "RETRYING"}
    if not world.calm:
        expected |= {"FAILED", "NEEDS_REVIEW", "UNCONFIRMED"}
    return expected


def _unknown(sides: Sides) -> Iterator[str]:
    """What was made at Stripe, and is no refund here."""
    known = Counter(row["sent"]["id"] for row in sides.paybacks if row["sent"])
    for one in own(sides):
        if known[one["id"]] != 1:
            yield f"Stripe has {one['id']}, {one['status']}, and {known[one['id']]} of ours are that"


def _taken(sides: Sides) -> Iterator[str]:
    """What each deposit says its refunds and disputes take of it."""
    for deposit in sides.deposits:
        said = {one["operation"]: (one["amount"], one["blocks"]) for one in deposit["reclaims"]}
        true: dict[str, tuple[int, bool]] = {}
        for row in sides.paybacks:
            if row["deposit"] == deposit["_id"]:
                made = at_stripe(sides, row)
                over = row["status"] in OVER if made is None else _STATES[made["status"]] in OVER
                true |= {} if over else {row["_id"]: (row["amount"], False)}
        for row in sides.complaints:
            dispute = sides.dispute(row["stripe_id"])
            if row["deposit"] == deposit["_id"] and dispute is not None:
                taken = max(-sum(in_ours(*move)[0] for move in sides.movements(dispute)), 0)
                is_open = dispute["status"] not in sides.CLOSED
                true |= {row["_id"]: (taken, is_open)} if taken or is_open else {}
        if said != true:
            yield f"{deposit['_id']} says that {said} is taken of it, and it is {true}"
