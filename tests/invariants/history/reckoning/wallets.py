"""Wallets: what everybody has, held against what they were paid, and paid."""

from collections import Counter
from collections.abc import Iterator

from tests.invariants.history.reckoning import deposits, disputes, escrows, withdrawals
from tests.invariants.history.reckoning.sides import Sides, in_ours, received
from tests.invariants.history.world import World

UNEXPLAINED = "platform:unexplained"


def differences(world: World, sides: Sides) -> Iterator[str]:
    due = Counter(world.granted)
    due.update(_paid_in(sides))
    nouns = (escrows, withdrawals, disputes)
    for told in (noun.told(world, sides) for noun in nouns):
        for (_, person, currency), amount in told.items():
            due[person, currency] += amount
    has = {(row["owner"], row["currency"]): row["available"] + row["held"] for row in sides.wallets}
    for key in sorted(due.keys() | has.keys()):
        if due[key] != has.get(key, 0):
            yield f"{key[0]} has {has.get(key, 0)} {key[1]}, and should have {due[key]}"
    yield from _unexplained(sides)


def _paid_in(sides: Sides) -> Counter[tuple[str, str]]:
    """What Stripe received for a person, less what went back, and what nobody has decided about."""
    due: Counter[tuple[str, str]] = Counter()
    owners = {}
    for intent in sides.intents:
        owners[intent["id"]] = intent["metadata"].get("user_id")
        if intent["status"] == "succeeded":
            amount, currency = received(intent)
            due[owners[intent["id"]], currency] += amount
    for refund in sides.refunds:
        if refund["status"] not in {"failed", "canceled"}:
            amount, currency = in_ours(refund["amount"], refund["currency"])
            due[owners[refund["payment_intent"]], currency] -= amount
    for row, receipt in deposits.waiting(sides):
        due[row["owner"], receipt["currency"]] -= receipt["amount"]
    return due


def _unexplained(sides: Sides) -> Iterator[str]:
    """It holds what waits for a decision, and nothing else."""
    held = Counter(
        {currency: amount for (currency, name), amount in sides.books().items() if name == UNEXPLAINED}
    )
    waiting: Counter[str] = Counter()
    for _, receipt in deposits.waiting(sides):
        waiting[receipt["currency"]] += receipt["amount"]
    for currency in sorted(held.keys() | waiting.keys()):
        if held[currency] != waiting[currency]:
            yield f"{UNEXPLAINED} holds {held[currency]} {currency}, and {waiting[currency]} waits"
