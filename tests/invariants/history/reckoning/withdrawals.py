"""Withdrawals: each is what Stripe holds of it, and waits only for what is told."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from domain.kernel.database import Row
from tests.invariants.history.reckoning import accounts
from tests.invariants.history.reckoning.sides import Sides, in_ours
from tests.invariants.history.world import Draw, World

BACK = {"FAILED", "REJECTED", "CANCELED"}
SETTLED = BACK | {"PAID", "REVERSED"}
ON_ITS_WAY = {"IN_TRANSIT", "PAID", "PAYOUT_FAILED"}


def made(world: World, sides: Sides) -> Iterator[tuple[Draw, Row]]:
    """Each draw whose withdrawal is there."""
    rows = {(row["owner"], row["idempotency"]["key"]): row for row in sides.withdrawals}
    for draw in world.draws:
        row = rows.get((draw.contractor.person.id, draw.key))
        if row is not None:
            yield draw, row


def differences(world: World, sides: Sides) -> Iterator[str]:
    for draw, row in made(world, sides):
        sent = sides.transfers_of(row)
        expected = _sent(world, sides, row, sent[0]) if sent else _not_sent(world, sides, draw)
        if row["status"] not in expected:
            yield f"{row['_id']} is {row['status']}, not {expected}; Stripe has {[one['id'] for one in sent]}"
        known = [(one["id"], one["amount"], _reversed(one)) for one in row["transfers"]]
        true = [
            (one["id"], *(_ours(one[name], one) for name in ("amount", "amount_reversed"))) for one in sent
        ]
        if sorted(known) != sorted(true):
            yield f"{row['_id']} knows of {known}, and Stripe has {true}"
        if any(amount != row["amount"] for _, amount, _ in true):
            yield f"{row['_id']} is of {row['amount']}, and {true} was sent"


def one_of_each(world: World, sides: Sides) -> Iterator[str]:
    """One withdrawal for each draw, at most one transfer for each withdrawal, to its owner's account."""
    found = {row["_id"]: draw for draw, row in made(world, sides)}
    owners = {row["stripe_id"]: row["owner"] for row in sides.connected}
    for row in sides.withdrawals:
        draw = found.get(row["_id"])
        if draw is None or draw.id not in {None, row["_id"]}:
            yield f"nobody asked for {row['_id']}"
        sent = sides.transfers_of(row)
        if len(sent) > (row["status"] not in BACK):
            yield f"{row['_id']} is {row['status']}, and was sent by {[one['id'] for one in sent]}"
        yield from (
            f"{one['id']} went to {one['destination']}"
            for one in sent
            if owners.get(one["destination"]) != row["owner"]
        )
    yield from (f"{draw.id} is gone" for draw in world.draws if draw.id not in {None, *found})
    named = {one["metadata"].get("withdrawal_id") for one in sides.transfers}
    yield from (f"Stripe has a transfer for {withdrawal}" for withdrawal in named - found.keys())


def told(world: World, sides: Sides) -> Counter[tuple[str, str, str]]:
    """What statements must show of each withdrawal, by its id, person and currency: what Stripe has of it."""
    told: Counter[tuple[str, str, str]] = Counter()
    for _, row in made(world, sides):
        for one in sides.transfers_of(row):
            out = _ours(one["amount"], one) - _ours(one["amount_reversed"], one)
            told[row["_id"], row["owner"], row["currency"]] -= out
    return told


async def waiting(world: World, sides: Sides) -> list[str]:
    """Whatever is not settled says why."""
    found = []
    for draw, row in made(world, sides):
        if row["status"] in SETTLED:
            continue
        seen = await draw.contractor.person.withdrawal(row["_id"])
        waits = seen["waitingFor"] and seen["waitingFor"]["code"]
        if waits in {None, "RETRY", "FUNDS_AVAILABLE"}:
            found.append(f"{row['_id']} is {seen['status']}, and waits for {waits}")
    return found


def _not_sent(world: World, sides: Sides, draw: Draw) -> set[str]:
    """Where Stripe has nothing of it."""
    if draw.canceled:
        return {"CANCELED"}
    if draw.rejected:
        return {"REJECTED"}
    frozen = (draw.contractor.person.id, draw.currency) in world.frozen
    expected = set() if draw.approved else {"AWAITING_APPROVAL"}
    if not draw.contractor.steady or not world.calm:
        expected.add("FAILED")
    if frozen or not accounts.enabled(sides, draw.contractor):
        expected |= {"PENDING", "RETRYING"}
    if not world.calm:
        expected |= {"NEEDS_REVIEW", "UNCONFIRMED"} if frozen else {"NEEDS_REVIEW"}
    return expected


def _sent(world: World, sides: Sides, row: Row, transfer: dict[str, Any]) -> set[str]:
    """By what came back of it, and what became of the payout that it is in."""
    if transfer["reversed"]:
        return {"REVERSED"}
    if transfer["destination"] in world.gone:
        return ON_ITS_WAY  # as we were last allowed to see it
    payouts = list(_payouts(sides, transfer))
    if not payouts:
        return {"IN_TRANSIT"}
    last = payouts[-1]
    if last["reconciliation_status"] == "in_progress":
        expected = {"IN_TRANSIT"} if len(payouts) == 1 else {"PAYOUT_FAILED"}
    else:
        expected = {"PAID" if last["status"] == "paid" else "PAYOUT_FAILED"}
    # What was settled is not asked about again: that a bank sent it back, an event tells, or nobody.
    settled = world.deaf and row["status"] == "PAID" and any(one["status"] == "failed" for one in payouts)
    return expected | ({"PAID"} if settled else set())


def _payouts(sides: Sides, transfer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The payouts that it was in: the one after the other, each for the failure of the one before.

    An automatic payout takes with it all that has moved the balance since the one before.
    """
    inside: dict[str, str] = {}
    open_: list[str] = []
    for one in sides.arrived:
        if (one["account"], one["currency"]) != (transfer["destination"], transfer["currency"]):
            continue
        open_.append(one["source"])
        if one["type"] == "payout" and sides.payouts[one["source"]]["automatic"]:
            inside |= {source: one["source"] for source in open_ if source != one["source"]}
            open_ = []
    source = transfer["destination_payment"]
    while source in inside:
        source = inside[source]
        yield sides.payouts[source]


def _reversed(sent: Row) -> int:
    return sum(one["amount"] for one in sent["reversals"])


def _ours(amount: int, transfer: dict[str, Any]) -> int:
    return in_ours(amount, transfer["currency"])[0]
