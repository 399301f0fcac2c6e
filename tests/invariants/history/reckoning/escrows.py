"""Escrows: each is what its parties were answered, and its money where that says."""

from collections import Counter
from collections.abc import Iterator

from domain.kernel.database import Row
from tests.invariants.history.deals import Deal
from tests.invariants.history.reckoning.sides import Sides
from tests.invariants.history.world import World


def made(world: World, sides: Sides) -> Iterator[tuple[Deal, Row]]:
    """Each deal whose escrow is there."""
    rows = {(row["owner"], row["idempotency"]["key"]): row for row in sides.escrows}
    for deal in world.deals:
        row = rows.get((deal.customer.person.id, deal.key))
        if row is not None:
            yield deal, row


def differences(world: World, sides: Sides) -> Iterator[str]:
    accounts = sides.books()
    fees: Counter[str] = Counter()
    for deal, row in made(world, sides):
        if deal.expiring and not deal.accepted and not deal.ended:
            deal.ended = "EXPIRED"  # the sweep has been here since: nothing else can have become of it
        if row["status"] not in deal.states():
            yield f"{row['_id']} is {row['status']}, not {deal.states()}"
        if (row["released"], row["refunded"]) != deal.progress():
            yield f"{row['_id']} says {row['released']} and {row['refunded']}, not {deal.progress()}"
        shares = deal.shares()
        locked = accounts[deal.currency, f"escrow:{row['_id']}"]
        if (locked, row["locked"]) != (shares.locked, shares.locked):
            yield f"{row['_id']} holds {locked}, says {row['locked']}, and should hold {shares.locked}"
        fees[deal.currency] += shares.fees
    for currency in {code for code, _ in accounts}:
        has = accounts[currency, "platform:fees"]
        if has != fees[currency]:
            yield f"the platform has {has} {currency} of fees, and should have {fees[currency]}"


def told(world: World, sides: Sides) -> Counter[tuple[str, str, str]]:
    """What statements must show of each escrow, by its id, person and currency."""
    told: Counter[tuple[str, str, str]] = Counter()
    for deal, row in made(world, sides):
        shares = deal.shares()
        told[row["_id"], deal.customer.person.id, deal.currency] = shares.back - shares.charged
        told[row["_id"], deal.contractor.person.id, deal.currency] = shares.paid
    return told


def one_of_each(world: World, sides: Sides) -> Iterator[str]:
    """One escrow for each deal, and one move for each order that was done."""
    found = {row["_id"]: deal for deal, row in made(world, sides)}
    for row in sides.escrows:
        deal = found.get(row["_id"])
        if deal is None or deal.id not in {None, row["_id"]}:
            yield f"nobody asked for {row['_id']}"
    yield from (f"{deal.id} is gone" for deal in world.deals if deal.id not in {None, *found})
    keys = Counter(move["idempotency"]["key"] for move in sides.moves)
    for order in (order for deal in world.deals for order in deal.orders):
        expected = {1, 2} if order.with_rest else {1}
        if order.done != (keys[order.key] in expected):
            yield f"{order} has made {keys[order.key]} moves"
