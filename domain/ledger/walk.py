"""Invariants 1, 2 and 4 for one wallet: a walk along its lines, each held against its entry."""

from collections import Counter
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson import MaxKey, MinKey

from domain.kernel.database import Row, batched
from domain.kernel.ids import made_at
from domain.ledger.accounts import Account
from domain.ledger.books import GENESIS, Entry, FreezeCause, WalletState, digest
from domain.ledger.books import deltas as deltas_of
from domain.ledger.checkpoints import PREFIX
from domain.ledger.documents import EntryRecord, StatementLine, Wallet
from domain.ledger.post import entry_of, state_of

# To name the entries that have no line takes a pass over the journal: not for each of a thousand wallets.
NAMED_WALLETS_MAX: Final = 10

Expect = Callable[[str, str, object, object], None]
"""Invariant, subject, expected, actual: a violation unless the last two are equal."""


@dataclass
class Settled:
    """The entries before `cut`, so old that all is there, and how many `lines` they owe to each wallet."""

    cut: str
    lines: Counter[str] = field(default_factory=Counter)
    named: int = 0

    def includes(self, entry: Entry) -> bool:
        return entry.id < self.cut


def read_entry(row: Row) -> Entry:
    """Raises ValueError, KeyError, TypeError for what is no entry, or has no entry's id or time."""
    entry = entry_of(row)
    if not isinstance(entry.id, str) or not isinstance(entry.created_at, datetime):
        raise TypeError(f"not an id and an instant: {entry.id!r}, {entry.created_at!r}")
    made_at(PREFIX, entry.id)
    return entry


def digest_of(fields: Mapping[str, Any]) -> str:
    """The digest of a stored row; a value that no entry can hold has none."""
    try:
        return digest(fields)
    except TypeError as error:
        return f"none: {error}"


async def check_wallet(expect: Expect, settled: Settled, wallet: Row) -> None:
    """Raises ValueError, KeyError, TypeError for what is no wallet any more, or has lines that are none."""
    lines_owed = settled.lines.pop(str(wallet["_id"]), 0)
    state = state_of(wallet)
    walk = _Walk(expect, settled, state.id)
    async for lines in batched(_lines(state)):
        await walk.follow(lines)
    expect("1 available is the sum of its lines", state.id, walk.available, state.available)
    expect("1 held is the sum of its lines", state.id, walk.held, state.held)
    expect("2 seq is the last line's", state.id, walk.seq, state.seq)
    expect("2 head is the last line's hash", state.id, walk.head, state.head)
    expect("2 last_at is the last line's time", state.id, walk.last_at, state.last_at)
    _signs(expect, state)
    await _beyond(expect, state)
    if walk.settled_lines != lines_owed:
        expect("2 every entry has its line", state.id, lines_owed, walk.settled_lines)
        await _name_lineless(expect, settled, state.id)


async def check_owners(expect: Expect) -> None:
    """2: every line is some wallet's."""
    cursor = await StatementLine.get_pymongo_collection().aggregate([{"$group": {"_id": "$_id.w"}}])
    async for rows in batched(cursor):
        owners = [row["_id"] for row in rows]
        wallets = Wallet.get_pymongo_collection().find({"_id": {"$in": owners}}, {"_id": 1})
        # As text: what was forged may have an id that is no text.
        known = {repr(wallet["_id"]) async for wallet in wallets}
        for owner in owners:
            if repr(owner) not in known:
                expect("2 the line's wallet exists", str(owner), "a wallet", None)


def _signs(expect: Expect, state: WalletState) -> None:
    indebted = any(freeze.cause is FreezeCause.DEBT for freeze in state.freezes)
    if state.available < 0 and not indebted:
        expect("4 available is not negative", state.id, ">= 0 or a named debt", state.available)
    if state.held < 0:
        expect("4 held is not negative", state.id, ">= 0", state.held)


async def _beyond(expect: Expect, state: WalletState) -> None:
    """2: a line after `seq` was written meanwhile, and the wallet knows of it by now; or it is forged."""
    bounds = {"$gt": {"w": state.id, "s": state.seq}, "$lte": {"w": state.id, "s": MaxKey()}}
    lines = StatementLine.get_pymongo_collection()
    last = await lines.find_one({"_id": bounds}, {"_id": 1}, sort=[("_id", -1)])
    if last is None:
        return
    wallet = await Wallet.get_pymongo_collection().find_one({"_id": state.id}, {"seq": 1})
    seq = state.seq if wallet is None else wallet["seq"]
    if last["_id"]["s"] > seq:
        expect(
            "2 no line is beyond seq", f"{state.id} line {last['_id']['s']}", f"<= {seq}", last["_id"]["s"]
        )


async def _name_lineless(expect: Expect, settled: Settled, wallet_id: str) -> None:
    """2: of the entries that touch the wallet, those that have not exactly one line there."""
    settled.named += 1
    if settled.named > NAMED_WALLETS_MAX:
        return
    accounts = {"$in": [str(Account.available(wallet_id)), str(Account.held(wallet_id))]}
    touching = {"$or": [{"postings.source": accounts}, {"postings.destination": accounts}]}
    entries = EntryRecord.get_pymongo_collection().find({"_id": {"$lt": settled.cut}, **touching}, {"ref": 1})
    async for rows in batched(entries):
        refs = [row.get("ref") for row in rows]
        lines = StatementLine.get_pymongo_collection().find(
            {"_id.w": wallet_id, "ref": {"$in": refs}}, {"ref": 1}
        )
        found = Counter([str(line["ref"]) async for line in lines])
        for ref in map(str, refs):
            expect("2 every entry has its line", f"{ref} in {wallet_id}", 1, found[ref])


def _lines(state: WalletState) -> AsyncIterable[Row]:
    """The wallet's lines up to its `seq`, in order."""
    bounds = {"$gte": {"w": state.id, "s": MinKey()}, "$lte": {"w": state.id, "s": state.seq}}
    return StatementLine.get_pymongo_collection().find({"_id": bounds}).sort("_id", 1)


@dataclass
class _Walk:
    """One walk along a wallet's chain: what the lines so far add up to."""

    expect: Expect
    settled: Settled
    wallet_id: str
    settled_lines: int = 0
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
        expect = self.expect
        expect("2 seq has no gap", subject, self.seq + 1, line["_id"]["s"])
        stored = {name: value for name, value in line.items() if name != "hash"}
        expect("2 line hash", subject, digest_of({**stored, "previous": self.head}), line["hash"])
        if self.last_at is not None and line["created_at"] < self.last_at:
            expect("2 time is monotone", subject, f">= {self.last_at}", line["created_at"])
        self.available += line["available_delta"]
        self.held += line["held_delta"]
        expect("1 available after the line", subject, self.available, line["available_after"])
        expect("1 held after the line", subject, self.held, line["held_after"])
        self.seq, self.head, self.last_at = line["_id"]["s"], line["hash"], line["created_at"]

    def _agrees(self, line: Row, row: Row | None) -> None:
        """The line's entry exists and says what the line says."""
        subject = f"{self.wallet_id} line {line['_id']['s']}"
        if row is None:
            self.expect("2 the line's entry exists", subject, line["ref"], None)
            return
        try:
            entry = read_entry(row)
        except (ValueError, KeyError, TypeError):
            return  # reported with the entries
        self.settled_lines += self.settled.includes(entry)
        said = (line["entry_hash"], line["kind"], line["operation"])
        self.expect(
            "2 line agrees with its entry", subject, (entry.hash, entry.kind.value, entry.operation), said
        )
        moved = (line["available_delta"], line["held_delta"])
        self.expect(
            "2 line moves what its entry moves", subject, deltas_of(self.wallet_id, entry.postings), moved
        )
