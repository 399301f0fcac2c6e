"""What became of each movement of Stripe's balance: the mark that it was read."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel

from domain.ledger import Platform


class Outcome(StrEnum):
    """MATCHED: an operation of ours explains it, and has booked its amount. BOOKED: the platform's own.

    UNEXPLAINED: nothing of ours caused it; its amount is in platform:unexplained until a person knows better.
    """

    MATCHED = "MATCHED"
    BOOKED = "BOOKED"
    UNEXPLAINED = "UNEXPLAINED"


class Movement(Document):
    """One of Stripe's balance transactions, which was read. `id` is Stripe's; `amount` and `fee` are signed.

    `entry`: the ref under which the operation that explains it has posted its amount. `account`: where the
    amount is booked when it is the platform's own. Nothing here ever changes.
    """

    id: str  # type: ignore[assignment]  # Stripe's id in place of an ObjectId
    type: str
    category: str
    currency: str
    amount: int
    fee: int
    source: str | None
    outcome: Outcome
    operation: str
    account: Platform | None
    entry: str | None
    created_at: datetime
    read_at: datetime

    class Settings:
        name = "movements"
        indexes: ClassVar = [
            IndexModel([("created_at", ASCENDING)], name="created_at"),
            IndexModel([("source", ASCENDING)], name="source"),
            IndexModel(
                [("entry", ASCENDING)],
                unique=True,
                name="entry",
                partialFilterExpression={"entry": {"$gt": ""}},
            ),
        ]
