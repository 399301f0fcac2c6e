"""The ledger's collections. Only `post` and its neighbours write them, and freezes.py what freezes."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.ledger.books import GENESIS, AnyKind, FreezeCause, Kind


class FreezeRecord(BaseModel):
    cause: FreezeCause
    operation: str | None
    by: str
    at: datetime
    reason: str


class Wallet(Document):
    """One user's money in one currency, in minor units. `guard` counts sends, so that a freeze conflicts."""

    id: str  # type: ignore[assignment]  # prefixed ids in place of ObjectIds
    owner: str
    currency: str
    available: int = 0
    held: int = 0
    seq: int = 0
    head: str = GENESIS
    last_at: datetime | None = None
    freezes: list[FreezeRecord] = Field(default_factory=list)
    guard: int = 0
    created_at: datetime

    class Settings:
        name = "wallets"
        indexes: ClassVar = [
            IndexModel([("owner", ASCENDING), ("currency", ASCENDING)], unique=True, name="owner_currency"),
            IndexModel(
                [("currency", ASCENDING), ("available", ASCENDING), ("_id", ASCENDING)],
                name="debts",
                # A few of all wallets, and what is not below zero costs the index nothing.
                partialFilterExpression={"available": {"$lt": 0}},
            ),
        ]

    @property
    def frozen(self) -> bool:
        return bool(self.freezes)

    @property
    def debt(self) -> FreezeRecord | None:
        """Since when it is below zero, and by which operation; None while it is not."""
        return next((freeze for freeze in self.freezes if freeze.cause is FreezeCause.DEBT), None)

    @property
    def uncovered(self) -> int:
        """What it owes beyond what it holds: that may come back, and pay; or leave, once nothing is owed."""
        return max(-(self.available + self.held), 0)


class FreezeChange(Document):
    """A wallet was frozen for a cause, or that was taken back: by whom (a person or an operation) and why.

    Never changed. A debt has none: the entry that made or paid it is its record.
    """

    id: str  # type: ignore[assignment]
    wallet: str
    cause: FreezeCause
    operation: str | None
    frozen: bool
    by: str
    at: datetime
    reason: str

    class Settings:
        name = "freeze_changes"
        indexes: ClassVar = [
            IndexModel([("wallet", ASCENDING), ("_id", DESCENDING)], name="wallet"),
        ]


class PostingRecord(BaseModel):
    source: str
    destination: str
    amount: int


class EntryRecord(Document):
    """One journal document; its id and `ref` are unique, and it never changes."""

    id: str  # type: ignore[assignment]
    ref: str
    kind: AnyKind
    currency: str
    postings: list[PostingRecord]
    operation: str
    actor: str
    created_at: datetime
    hash: str

    class Settings:
        name = "entries"
        indexes: ClassVar = [
            IndexModel([("ref", ASCENDING)], unique=True, name="ref"),
            IndexModel([("operation", ASCENDING)], name="operation"),
        ]


class LineId(BaseModel):
    """Wallet and sequence, always in this order: MongoDB compares a key's fields in theirs."""

    w: str
    s: int


class StatementLine(Document):
    """One wallet's view of one entry. Deltas are signed minor units; the balances are those after it."""

    id: LineId  # type: ignore[assignment]
    ref: str
    kind: Kind
    operation: str
    created_at: datetime
    available_delta: int
    held_delta: int
    available_after: int
    held_after: int
    entry_hash: str
    hash: str

    class Settings:
        name = "statement_lines"
        indexes: ClassVar = [
            IndexModel([("_id.w", ASCENDING), ("kind", ASCENDING), ("_id.s", ASCENDING)], name="by_kind")
        ]


class AccountBalance(BaseModel):
    account: str
    currency: str
    amount: int


class BalanceSnapshot(Document):
    """What the entries whose ids lie before `id` leave in each of the platform's accounts."""

    id: str  # type: ignore[assignment]
    balances: list[AccountBalance]

    class Settings:
        name = "balance_snapshots"
