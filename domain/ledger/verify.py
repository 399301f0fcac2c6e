"""Proof of the books on live data, beside traffic. It reports and never repairs.

A wallet is read first, then its lines up to the `seq` that was read: what is written meanwhile lies beyond.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.database import Database, Row
from domain.ledger.balances import NO_WALLETS, PLATFORM, as_rows, derived
from domain.ledger.books import GENESIS, Entry, FreezeCause, digest
from domain.ledger.books import deltas as deltas_of
from domain.ledger.documents import BalanceSnapshot, EntryRecord, StatementLine, Wallet
from domain.ledger.post import entry_of, state_of

BATCH: Final = 500


@dataclass(frozen=True)
class Violation:
    """`invariant`: its number and name in docs/ledger.md. `subject`: the id that is wrong."""

    invariant: str
    subject: str
    expected: str
    actual: str


@dataclass
class Report:
    """`unchecked`: invariants that could not be looked at, and why."""

    checked_at: datetime
    wallets: int = 0
    entries: int = 0
    violations: list[Violation] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

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


async def verify(
    database: Database,
    *,
    now: datetime,
    operation_checks: Sequence[OperationCheck] = (),
    holds: Sequence[Holds] = (),
    progress: Progress = lambda _what, _done, _total: None,
) -> Report:
    """Invariants 1 to 6 and 9 over everything that is stored. Cost: one pass over entries and lines."""
    report = Report(checked_at=now)
    await _entries(report, progress)
    await _refs(report)
    await _snapshots(report)
    await _wallets(report, progress)
    await _totals(report, database, holds)
    for check in operation_checks:
        await check(report)
    return report


async def _entries(report: Report, progress: Progress) -> None:
    """2 (entries): each says what its hash says. A posting balances by its shape alone."""
    collection = EntryRecord.get_pymongo_collection()
    total = await collection.estimated_document_count()
    async for row in collection.find({}).sort("_id", 1):
        report.entries += 1
        _sound_entry(report, row)
        if report.entries % BATCH == 0:
            progress("entries", report.entries, total)
    progress("entries", report.entries, report.entries)


def _sound_entry(report: Report, row: Row) -> Entry | None:
    """The entry, or None when it is not one any more; what is wrong with it is in the report."""
    subject = str(row.get("ref") or row["_id"])
    try:
        entry = entry_of(row)
    except (ValueError, KeyError, TypeError) as error:
        report.expect("2 entry is well formed", subject, "an entry", repr(error))
        return None
    # Over the row as it is stored, so that a field too many is found as well.
    stored = {name: value for name, value in row.items() if name != "hash"}
    report.expect("2 entry hash", subject, _digest(stored), entry.hash)
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


async def _wallets(report: Report, progress: Progress) -> None:
    collection = Wallet.get_pymongo_collection()
    total = await collection.estimated_document_count()
    async for wallet in collection.find({}).sort("_id", 1):
        try:
            await _wallet(report, wallet)
        except (ValueError, KeyError, TypeError) as error:
            report.expect("2 wallet and lines are well formed", str(wallet["_id"]), "a wallet", repr(error))
        report.wallets += 1
        progress("wallets", report.wallets, max(total, report.wallets))


async def _wallet(report: Report, wallet: Row) -> None:
    """1, 2 and 4 for one wallet. Raises ValueError, KeyError, TypeError for what is none any more."""
    state = state_of(wallet)
    walk = _Walk(report, state.id)
    async for lines in _batches(state.id, state.seq):
        await walk.follow(lines)
    report.expect("1 available is the sum of its lines", state.id, walk.available, state.available)
    report.expect("1 held is the sum of its lines", state.id, walk.held, state.held)
    report.expect("2 seq is the last line's", state.id, walk.seq, state.seq)
    report.expect("2 head is the last line's hash", state.id, walk.head, state.head)
    report.expect("2 last_at is the last line's time", state.id, walk.last_at, state.last_at)
    indebted = any(freeze.cause is FreezeCause.DEBT for freeze in state.freezes)
    if state.available < 0 and not indebted:
        report.expect("4 available is not negative", state.id, ">= 0 or a named debt", state.available)
    if state.held < 0:
        report.expect("4 held is not negative", state.id, ">= 0", state.held)


async def _batches(wallet_id: str, seq_max: int) -> AsyncIterator[list[Row]]:
    """The wallet's lines up to `seq_max`, in order."""
    batch: list[Row] = []
    bounds = {"$gte": {"w": wallet_id, "s": 0}, "$lte": {"w": wallet_id, "s": seq_max}}
    async for row in StatementLine.get_pymongo_collection().find({"_id": bounds}).sort("_id", 1):
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass
class _Walk:
    """One walk along a wallet's chain: what the lines so far add up to."""

    report: Report
    wallet_id: str
    seq: int = 0
    available: int = 0
    held: int = 0
    head: str = GENESIS
    last_at: datetime | None = None

    async def follow(self, lines: list[Row]) -> None:
        cursor = EntryRecord.get_pymongo_collection().find({"ref": {"$in": [line["ref"] for line in lines]}})
        entries = {row["ref"]: row async for row in cursor}
        for line in lines:
            self._step(line)
            self._agrees(line, entries.get(line["ref"]))

    def _step(self, line: Row) -> None:
        subject = f"{self.wallet_id} line {line['_id']['s']}"
        report = self.report
        report.expect("2 seq has no gap", subject, self.seq + 1, line["_id"]["s"])
        stored = {name: value for name, value in line.items() if name != "hash"}
        report.expect("2 line hash", subject, _digest({**stored, "previous": self.head}), line["hash"])
        if self.last_at is not None and line["created_at"] < self.last_at:
            report.expect("2 time is monotone", subject, f">= {self.last_at}", line["created_at"])
        self.available += line["available_delta"]
        self.held += line["held_delta"]
        report.expect("1 available after the line", subject, self.available, line["available_after"])
        report.expect("1 held after the line", subject, self.held, line["held_after"])
        self.seq, self.head, self.last_at = line["_id"]["s"], line["hash"], line["created_at"]

    def _agrees(self, line: Row, row: Row | None) -> None:
        """The line's entry exists and says what the line says."""
        subject = f"{self.wallet_id} line {line['_id']['s']}"
        if row is None:
            self.report.expect("2 the line's entry exists", subject, line["ref"], None)
            return
        try:
            entry = entry_of(row)
        except (ValueError, KeyError, TypeError):
            return  # reported with the entries
        said = (line["entry_hash"], line["kind"], line["operation"])
        self.report.expect(
            "2 line agrees with its entry", subject, (entry.hash, entry.kind.value, entry.operation), said
        )
        moved = (line["available_delta"], line["held_delta"])
        self.report.expect(
            "2 line moves what its entry moves", subject, deltas_of(self.wallet_id, entry.postings), moved
        )


async def _totals(report: Report, database: Database, holds: Sequence[Holds]) -> None:
    """3 and 9, in one snapshot, for they compare collections with each other."""
    async with database.client.start_session(snapshot=True) as session:
        wallets = Wallet.get_pymongo_collection()
        balances: dict[tuple[str, str], int] = defaultdict(int)
        held: dict[str, int] = {}
        async for row in wallets.find({}, {"currency": 1, "available": 1, "held": 1}, session=session):
            available, held[row["_id"]] = _counted(row, "available"), _counted(row, "held")
            balances[str(row.get("currency")), "wallets"] += available + held[row["_id"]]
        balances.update(await derived(NO_WALLETS, session=session))
        in_flight: dict[str, int] = defaultdict(int)
        for holds_of in holds:
            for wallet_id, amount in (await holds_of(session)).items():
                in_flight[wallet_id] += amount
    for currency in sorted({currency for currency, _ in balances}):
        total = sum(amount for (code, _), amount in balances.items() if code == currency)
        report.expect("3 wallets and derived accounts are zero", currency, 0, total)
    for wallet_id in sorted(held.keys() | in_flight.keys()):
        report.expect("9 held is what is in flight", wallet_id, in_flight[wallet_id], held.get(wallet_id))


def _counted(wallet: Row, field_name: str) -> int:
    """An amount, or 0 for what is none, which is reported with its wallet."""
    amount = wallet.get(field_name)
    return amount if isinstance(amount, int) else 0


def _digest(fields: Mapping[str, Any]) -> str:
    """The digest of a stored row; a value that no entry can hold has none."""
    try:
        return digest(fields)
    except TypeError as error:
        return f"none: {error}"
