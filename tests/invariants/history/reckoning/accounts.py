"""Accounts for payouts: each is as Stripe shows it, and nobody has two that live."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from domain.kernel.database import Row
from tests.invariants.history.reckoning.sides import Sides
from tests.invariants.history.world import Contractor, World


def differences(world: World, sides: Sides) -> Iterator[str]:
    at_stripe = {one["id"]: one for one in sides.accounts}
    for row in sides.connected:
        account = at_stripe.get(row["stripe_id"])
        if account is None:
            if row["status"] != "REJECTED":
                yield f"{row['_id']} is {row['status']}, and Stripe has no {row['stripe_id']}"
        elif account["id"] in world.gone:
            if row["status"] != "DISCONNECTED" and not world.deaf:
                yield f"{row['_id']} is {row['status']}, and lets us in no more"
        elif row["withdrawals_enabled"] != _can_be_paid(account):
            yield f"{row['_id']} is {row['status']}, and {account['id']} says {account['capabilities']}"


def one_of_each(sides: Sides) -> Iterator[str]:
    known = Counter(row["stripe_id"] for row in sides.connected if row["stripe_id"])
    for account in sides.accounts:
        if known[account["id"]] != 1:
            yield f"Stripe has {account['id']}, and {known[account['id']]} of ours are that"
    lives = Counter(row["owner"] for row in sides.connected if row["live"])
    yield from (f"{owner} has {count} accounts that live" for owner, count in lives.items() if count > 1)


def enabled(sides: Sides, contractor: Contractor) -> bool:
    """Whether money may leave to the contractor, as we know."""
    rows: list[Row] = [row for row in sides.connected if row["owner"] == contractor.person.id and row["live"]]
    return any(row["withdrawals_enabled"] for row in rows)


def _can_be_paid(account: dict[str, Any]) -> bool:
    return bool(account["capabilities"].get("transfers") == "active" and account["payouts_enabled"])
