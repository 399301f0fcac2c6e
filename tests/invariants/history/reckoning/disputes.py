"""Disputes: each is what Stripe says of it, its money once, and a wallet frozen while one is open."""

from collections import Counter
from collections.abc import Iterator

from tests.invariants.history.reckoning.sides import Sides, in_ours
from tests.invariants.history.world import World

LOSSES = "platform:losses"


def differences(world: World, sides: Sides) -> Iterator[str]:
    rows = {row["stripe_id"]: row for row in sides.complaints}
    for dispute in sides.disputes:
        row = rows.get(dispute["id"])
        if row is None:
            # One that moved nothing is only told of, and found in a list of some days.
            if dispute["balance_transactions"] or not world.deaf:
                yield f"Stripe has {dispute['id']}, {dispute['status']}, and we have not"
            continue
        if row["status"] != dispute["status"].upper():
            yield f"{row['_id']} is {row['status']}, and {dispute['id']} {dispute['status']}"
        known = [(one["id"], one["amount"]) for one in row["movements"]]
        true = [
            (one["id"], in_ours(one["amount"], one["currency"])[0]) for one in dispute["balance_transactions"]
        ]
        if sorted(known) != sorted(true):
            yield f"{row['_id']} knows of {known}, and Stripe has {true}"
    yield from _frozen(world, sides)
    yield from _losses(world, sides)


def one_of_each(sides: Sides) -> Iterator[str]:
    at_stripe = {one["id"] for one in sides.disputes}
    counts = Counter(row["stripe_id"] for row in sides.complaints)
    for stripe_id, count in counts.items():
        if stripe_id not in at_stripe or count != 1:
            yield f"{count} of ours are {stripe_id}"


def told(world: World, sides: Sides) -> Counter[tuple[str, str, str]]:
    """What statements must show of each dispute: what Stripe moved, and what the platform bears of that."""
    told: Counter[tuple[str, str, str]] = Counter()
    for row in sides.complaints:
        dispute = sides.dispute(row["stripe_id"])
        if dispute is not None and row["in_wallet"]:
            moved = sum(in_ours(*move)[0] for move in sides.movements(dispute))
            told[row["_id"], row["owner"], row["currency"]] += moved + _borne(world, sides, row["stripe_id"])
    return told


def _borne(world: World, sides: Sides, stripe_id: str) -> int:
    """What was written off, less what came back after that."""
    dispute = sides.dispute(stripe_id)
    if dispute is None or stripe_id not in world.written_off:
        return 0
    amount, before = world.written_off[stripe_id]
    back = sum(max(in_ours(*move)[0], 0) for move in sides.movements(dispute))
    return amount - min(back - before, amount)


def _losses(world: World, sides: Sides) -> Iterator[str]:
    """The platform bears what was written off, and nothing else."""
    books = sides.books()
    borne: Counter[str] = Counter()
    for row in sides.complaints:
        borne[row["currency"]] += _borne(world, sides, row["stripe_id"])
    for currency in {code for code, _ in books}:
        if -books[currency, LOSSES] != borne[currency]:
            yield f"{LOSSES} has borne {-books[currency, LOSSES]} {currency}, and should {borne[currency]}"


def _frozen(world: World, sides: Sides) -> Iterator[str]:
    """By administrators, by each dispute that is open, and by what is owed; and by nothing else."""
    for wallet in sides.wallets:
        said = Counter(
            (freeze["cause"], freeze["operation"] if freeze["cause"] == "DISPUTE" else None)
            for freeze in wallet["freezes"]
        )
        true: Counter[tuple[str, str | None]] = Counter()
        for row in sides.complaints:
            dispute = sides.dispute(row["stripe_id"])
            if row["wallet"] == wallet["_id"] and dispute and dispute["status"] not in sides.CLOSED:
                true["DISPUTE", row["_id"]] = 1
        if (wallet["owner"], wallet["currency"]) in world.frozen:
            true["ADMIN", None] = 1
        if wallet["available"] < 0:
            true["DEBT", None] = 1
        if said != true:
            yield f"{wallet['_id']} with {wallet['available']} is frozen by {dict(said)}, not {dict(true)}"
