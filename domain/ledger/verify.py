"""Proof of the books on live data, beside traffic. It reports and never repairs.

A wallet is read first, then its lines up to the `seq` that was read: what is written meanwhile lies beyond.
What is counted here and there (entries, lines, what is under a checkpoint) is old enough to stand still.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.database import Database, Row
from domain.kernel.ids import first_id
from domain.kernel.signer import Signer
from domain.ledger.balances import NO_WALLETS, PLATFORM, as_rows, derived
from domain.ledger.books import Entry
from domain.ledger.chain import Chain, read_chain, stray
from domain.ledger.checkpoints import PREFIX, SETTLED
from domain.ledger.documents import BalanceSnapshot, EntryRecord, Wallet
from domain.ledger.walk import Settled, check_owners, check_wallet, digest_of, read_entry

PROGRESS_EVERY: Final = 500


@dataclass(frozen=True)
class Violation:
    """`invariant`: its number and name in docs/ledger.md. `subject`: the id that is wrong."""

    invariant: str
    subject: str
    expected: str
    actual: str


@dataclass
class Report:
    """`last_checkpoint_at`: when the newest checkpoint that is signed was made.

    `unchecked`: invariants that could not be looked at, and why.
    """

    checked_at: datetime
    wallets: int = 0
    entries: int = 0
    violations: list[Violation] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    last_checkpoint_at: datetime | None = None

    @property
    def ok(self) -> bool:
        return not self.violations

    def expect(self, invariant: str, subject: str, expected: object, actual: object) -> None:
        """Record a violation unless both are equal."""
        if expected != actual:
            self.violations.append(Violation(invariant, subject, str(expected), str(actual)))


Progress = Callable[[str, int, int], None]
"""What is being checked, how many are done, of how many (an estimate)."""
OperationCheck = Callable[[Report], Awaitable[None]]
"""A noun's own look at invariant 6: whether its operations and its entries agree."""
Holds = Callable[[AsyncClientSession], Awaitable[Mapping[str, int]]]
"""What a noun's operations in flight hold, by wallet id, as the session's snapshot shows it."""
Accounts = Callable[[AsyncClientSession], Awaitable[Mapping[tuple[str, str], int]]]
"""What a noun says is in the accounts that it keeps, by currency and account, likewise."""


async def verify(
    database: Database,
    *,
    now: datetime,
    signer: Signer,
    operation_checks: Sequence[OperationCheck] = (),
    holds: Sequence[Holds] = (),
    accounts: Sequence[Accounts] = (),
    progress: Progress = lambda _what, _done, _total: None,
) -> Report:
    """Invariants 1 to 7, 9 and 10 over everything that is stored. Cost: one pass over entries and lines."""
    report = Report(checked_at=now)
    settled = Settled(cut=first_id(PREFIX, at=now - SETTLED))
    await database.catch_up()
    # Before the entries: all that a checkpoint speaks of is there when it is.
    chain = await read_chain(report.expect, signer)
    await _entries(report, chain, settled, progress)
    await _refs(report)
    await _snapshots(report)
    await _wallets(report, settled, progress)
    await check_owners(report.expect)
    await _totals(report, database, holds, accounts)
    for check in operation_checks:
        try:
            await check(report)
        except (ValueError, KeyError, TypeError) as error:
            report.expect("6 operations are well formed", check.__module__, "operations", repr(error))
    return report


async def _entries(report: Report, chain: Chain, settled: Settled, progress: Progress) -> None:
    """2 (entries) and 10: each says what its hash says. A posting balances by its shape alone."""
    collection = EntryRecord.get_pymongo_collection()
    total = await collection.estimated_document_count()
    async for row in collection.find({}).sort("_id", 1):
        report.entries += 1
        chain.follow(row)
        entry = _sound_entry(report, row)
        if entry is not None and settled.includes(entry):
            settled.lines.update(entry.wallet_ids())
        if report.entries % PROGRESS_EVERY == 0:
            progress("entries", report.entries, total)
    progress("entries", report.entries, report.entries)
    chain.end(report.checked_at)
    report.last_checkpoint_at = None if chain.newest is None else chain.newest["made_at"]


def _sound_entry(report: Report, row: Row) -> Entry | None:
    """The entry, or None when it is not one any more; what is wrong with it is in the report."""
    subject = str(row.get("ref") or row["_id"])
    try:
        entry = read_entry(row)
    except (ValueError, KeyError, TypeError) as error:
        report.expect("2 entry is well formed", subject, "an entry", repr(error))
        return None
    report.expect("2 entry's id is of its time", subject, None, stray(entry, now=report.checked_at))
    # Over the row as it is stored, so that a field too many is found as well.
    stored = {name: value for name, value in row.items() if name != "hash"}
    report.expect("2 entry hash", subject, digest_of(stored), entry.hash)
    return entry


async def _refs(report: Report) -> None:
    """5: the unique index should make this impossible; an index can be dropped."""
    pipeline: list[dict[str, Any]] = [
        {"$group": {"_id": "$ref", "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
    ]
    cursor = await EntryRecord.get_pymongo_collection().aggregate(pipeline, allowDiskUse=True)
    async for row in cursor:
        report.expect("5 ref is unique", str(row["_id"]), 1, row["count"])


async def _snapshots(report: Report) -> None:
    """3 (snapshots): each says what the entries before it add up to."""
    async for snapshot in BalanceSnapshot.get_pymongo_collection().find({}):
        balances = await derived(PLATFORM, {"_id": {"$lt": snapshot["_id"]}})
        expected, actual = as_rows(balances), snapshot.get("balances")
        report.expect("3 snapshot is the sum of its entries", snapshot["_id"], expected, actual)


async def _wallets(report: Report, settled: Settled, progress: Progress) -> None:
    collection = Wallet.get_pymongo_collection()
    total = await collection.estimated_document_count()
    async for wallet in collection.find({}).sort("_id", 1):
        try:
            await check_wallet(report.expect, settled, wallet)
        except (ValueError, KeyError, TypeError) as error:
            report.expect("2 wallet and lines are well formed", str(wallet["_id"]), "a wallet", repr(error))
        report.wallets += 1
        progress("wallets", report.wallets, max(total, report.wallets))
    for wallet_id, lines in settled.lines.items():
        report.expect("2 every entry has its line", wallet_id, f"a wallet with {lines}", None)


async def _totals(
    report: Report, database: Database, holds: Sequence[Holds], accounts: Sequence[Accounts]
) -> None:
    """3, 7 and 9, in one snapshot, for they compare collections with each other."""
    async with database.client.start_session(snapshot=True) as session:
        wallets = Wallet.get_pymongo_collection()
        balances: dict[tuple[str, str], int] = defaultdict(int)
        held: dict[str, int] = {}
        async for row in wallets.find({}, {"currency": 1, "available": 1, "held": 1}, session=session):
            wallet_id, available = str(row["_id"]), _counted(row, "available")
            held[wallet_id] = _counted(row, "held")
            balances[str(row.get("currency")), "wallets"] += available + held[wallet_id]
        balances.update(await derived(NO_WALLETS, session=session))
        in_flight: dict[str, int] = defaultdict(int)
        for holds_of in holds:
            for wallet_id, amount in (await holds_of(session)).items():
                in_flight[wallet_id] += amount
        kept: dict[tuple[str, str], int] = {}
        for accounts_of in accounts:
            kept |= await accounts_of(session)
    for currency in sorted({currency for currency, _ in balances}):
        total = sum(amount for (code, _), amount in balances.items() if code == currency)
        report.expect("3 wallets and derived accounts are zero", currency, 0, total)
    for wallet_id in sorted(held.keys() | in_flight.keys()):
        report.expect("9 held is what is in flight", wallet_id, in_flight[wallet_id], held.get(wallet_id))
    escrows = {key for key in balances if key[1].startswith("escrow:")}
    for currency, account in sorted(escrows | kept.keys()):
        said, balance = kept.get((currency, account), 0), balances.get((currency, account), 0)
        report.expect("7 account holds what its operation says", account, said, balance)


def _counted(wallet: Row, field_name: str) -> int:
    """An amount, or 0 for what is none, which is reported with its wallet."""
    amount = wallet.get(field_name)
    return amount if isinstance(amount, int) else 0
