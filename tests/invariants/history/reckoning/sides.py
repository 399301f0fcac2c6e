"""Both sides at one moment: what our database holds, and what the sandbox does."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from domain.kernel.database import Row
from tests.house import House

# Stripe counts krónur in hundredths, which it does not charge.
STRIPES_IN_ONE = {"ISK": 100}
_COLLECTIONS = (
    "deposits",
    "escrows",
    "escrow_moves",
    "wallets",
    "statement_lines",
    "entries",
    "payment_methods",
)


@dataclass(frozen=True)
class Sides:
    """Rows of ours, and objects of Stripe's by their kind: the platform's own, not those of accounts."""

    deposits: list[Row]
    escrows: list[Row]
    moves: list[Row]
    wallets: list[Row]
    lines: list[Row]
    entries: list[Row]
    cards: list[Row]
    intents: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    attached: list[dict[str, Any]]

    @classmethod
    async def of(cls, house: House) -> "Sides":
        ours = [await house.collection(name).find().to_list() for name in _COLLECTIONS]
        state = await house.stripe.state()
        kinds = ("payment_intent", "refund", "customer", "payment_method")
        at_stripe = (
            [one for one in state["objects"].get(kind, []) if one["id"] not in state["owners"]]
            for kind in kinds
        )
        return cls(*ours, *at_stripe)

    def intents_of(self, deposit: Row) -> list[dict[str, Any]]:
        return [one for one in self.intents if one["metadata"].get("deposit_id") == deposit["_id"]]

    def accounts(self) -> Counter[tuple[str, str]]:
        """What is in each account of the books, by currency and name, as the entries say."""
        held: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            for posting in entry["postings"]:
                held[entry["currency"], posting["destination"]] += posting["amount"]
                held[entry["currency"], posting["source"]] -= posting["amount"]
        return held


def received(intent: dict[str, Any]) -> tuple[int, str]:
    return in_ours(intent["amount_received"], intent["currency"])


def in_ours(amount: int, currency: str) -> tuple[int, str]:
    code = currency.upper()
    return amount // STRIPES_IN_ONE.get(code, 1), code
