"""Both sides at one moment: what our database holds, and what the sandbox does."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from domain.kernel.database import Row
from tests.house import House
from tests.invariants.history.stripe import in_ours

__all__ = ["Sides", "in_ours", "received"]

_COLLECTIONS = (
    "deposits",
    "escrows",
    "escrow_moves",
    "withdrawals",
    "refunds",
    "disputes",
    "adjustments",
    "connect_accounts",
    "wallets",
    "statement_lines",
    "entries",
    "payment_methods",
)
_KINDS = (
    "payment_intent",
    "refund",
    "dispute",
    "customer",
    "payment_method",
    "account",
    "transfer",
    "checkout.session",
)


@dataclass(frozen=True)
class Sides:
    """Rows of ours, and objects of Stripe's by their kind: the platform's own.

    `paybacks` are our refunds and `complaints` our disputes; those called so are Stripe's.

    `payouts`: of the accounts, by their ids. `arrived`: what moved the accounts' balances, in its order, each
    with its `account`.
    """

    CLOSED: ClassVar = {"warning_closed", "won", "lost", "prevented"}

    deposits: list[Row]
    escrows: list[Row]
    moves: list[Row]
    withdrawals: list[Row]
    paybacks: list[Row]
    complaints: list[Row]
    adjustments: list[Row]
    connected: list[Row]
    wallets: list[Row]
    lines: list[Row]
    entries: list[Row]
    cards: list[Row]
    intents: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    disputes: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    attached: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    arrived: list[dict[str, Any]]
    payouts: dict[str, dict[str, Any]]

    @classmethod
    async def of(cls, house: House) -> "Sides":
        ours = [await house.collection(name).find().to_list() for name in _COLLECTIONS]
        state = await house.stripe.state()
        objects, owners = state["objects"], state["owners"]
        at_stripe: list[Any] = [
            [one for one in objects.get(kind, []) if one["id"] not in owners] for kind in _KINDS
        ]
        payouts = {one["id"]: one for one in objects.get("payout", [])}
        movements = objects.get("balance_transaction", [])
        arrived = [one | {"account": owners[one["id"]]} for one in movements if one["id"] in owners]
        return cls(*[*ours, *at_stripe, arrived, payouts])

    def intents_of(self, deposit: Row) -> list[dict[str, Any]]:
        return [one for one in self.intents if one["metadata"].get("deposit_id") == deposit["_id"]]

    def sessions_of(self, deposit: Row) -> list[dict[str, Any]]:
        return [one for one in self.sessions if one["metadata"].get("deposit_id") == deposit["_id"]]

    def transfers_of(self, withdrawal: Row) -> list[dict[str, Any]]:
        return [one for one in self.transfers if one["metadata"].get("withdrawal_id") == withdrawal["_id"]]

    def wallet(self, wallet_id: str) -> Row:
        return next(row for row in self.wallets if row["_id"] == wallet_id)

    def dispute(self, stripe_id: str) -> dict[str, Any] | None:
        return next((one for one in self.disputes if one["id"] == stripe_id), None)

    @staticmethod
    def movements(dispute: dict[str, Any]) -> list[tuple[int, str]]:
        """What left Stripe's balance for it, below zero, and what came back, with its currency."""
        return [(one["amount"], one["currency"]) for one in dispute["balance_transactions"]]

    def books(self) -> Counter[tuple[str, str]]:
        """What is in each account of the books, by currency and name, as the entries say."""
        held: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            for posting in entry["postings"]:
                held[entry["currency"], posting["destination"]] += posting["amount"]
                held[entry["currency"], posting["source"]] -= posting["amount"]
        return held


def received(intent: dict[str, Any]) -> tuple[int, str]:
    return in_ours(intent["amount_received"], intent["currency"])
