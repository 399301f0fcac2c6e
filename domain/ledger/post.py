"""The only door through which money moves. Nothing else writes a wallet, an entry or a line."""

import contextlib
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from domain.kernel.clock import utc_now
from domain.kernel.database import Row, Tx, parse
from domain.kernel.ids import new_id
from domain.ledger.accounts import Account
from domain.ledger.books import (
    AnyKind,
    Entry,
    Freeze,
    FreezeCause,
    LedgerBug,
    Line,
    Posting,
    WalletState,
    apply,
    kind_of,
)
from domain.ledger.documents import EntryRecord, StatementLine, Wallet


@dataclass(frozen=True)
class NewEntry:
    """What a caller asks to be posted. `ref` names the step, so that it can happen only once."""

    ref: str
    kind: AnyKind
    currency: str
    postings: Sequence[Posting]
    operation: str
    actor: str


@dataclass(frozen=True)
class Posted:
    entry: Entry


@dataclass(frozen=True)
class AlreadyPosted:
    """The step was taken before, with equal postings: nothing was written."""

    ref: str


async def post(tx: Tx, new: NewEntry) -> Posted | AlreadyPosted:
    """Write the entry, a line for each wallet that it touches, and the wallets' new balances.

    Raises WalletFrozen, InsufficientFunds (a person asked for it), LedgerBug (the ref stands already with
    other postings, a wallet is not there, nothing moves). All of it commits with the caller's transaction.
    """
    entry = _entry(new, at=tx.now)
    # Looked for, never left to the unique index: a duplicate key kills the transaction around it.
    earlier = await EntryRecord.get_pymongo_collection().find_one({"ref": new.ref}, session=tx.session)
    if earlier is not None:
        return _already(earlier, entry)
    if wallet_ids := entry.wallet_ids():
        await _post_to_wallets(tx, wallet_ids, entry)
    await EntryRecord.get_pymongo_collection().insert_one(
        {**entry.fields(), "hash": entry.hash}, session=tx.session
    )
    return Posted(entry)


def foresee(wallet: Wallet, new: NewEntry, *, at: datetime) -> tuple[WalletState, Line]:
    """What `post` would make of `wallet` at that instant, and write no line of. Raises as `post` does."""
    row = wallet.model_dump(by_alias=True)
    return apply(state_of(row), _entry(new, at=at))


async def open_wallet(owner: str, currency: str) -> Wallet:
    """The owner's wallet in `currency`, made on first use. Racing calls make one. Not for a transaction."""
    wallets = Wallet.get_pymongo_collection()
    criteria = {"owner": owner, "currency": currency}
    row = await wallets.find_one(criteria)
    while row is None:
        fresh = WalletState(id=new_id("wal"), currency=currency)
        # Another call may have made it since we looked; then theirs is read.
        with contextlib.suppress(DuplicateKeyError):
            await wallets.insert_one(
                {"_id": fresh.id, **criteria, **_written(fresh), "guard": 0, "created_at": utc_now()}
            )
        row = await wallets.find_one(criteria)
    return parse(Wallet, row)


def state_of(row: Row) -> WalletState:
    """A stored wallet as the pure books know it. Raises TypeError for an amount that is no integer."""
    return WalletState(
        id=row["_id"],
        currency=row["currency"],
        # The driver reads integers beyond 32 bits as Int64: a subclass, where money takes int alone.
        available=operator.index(row["available"]),
        held=operator.index(row["held"]),
        seq=row["seq"],
        head=row["head"],
        last_at=row["last_at"],
        freezes=tuple(
            Freeze(**{**freeze, "cause": FreezeCause(freeze["cause"])}) for freeze in row["freezes"]
        ),
    )


def entry_of(row: Row) -> Entry:
    """A stored entry as the pure books know it. Raises ValueError, TypeError, KeyError if it is none."""
    return Entry(
        id=row["_id"],
        ref=row["ref"],
        kind=kind_of(row["kind"]),
        currency=row["currency"],
        postings=tuple(
            Posting(Account.parse(p["source"]), Account.parse(p["destination"]), operator.index(p["amount"]))
            for p in row["postings"]
        ),
        operation=row["operation"],
        actor=row["actor"],
        created_at=row["created_at"],
        hash=row["hash"],
    )


def _entry(new: NewEntry, *, at: datetime) -> Entry:
    """Raises LedgerBug where nothing moves."""
    if not new.postings:
        raise LedgerBug(f"{new.ref} moves nothing")
    return Entry(
        # Of the same instant as what is written in it: the journal is cut by ids, see checkpoints.py.
        id=new_id("ent", at=at),
        ref=new.ref,
        kind=new.kind,
        currency=new.currency,
        postings=tuple(new.postings),
        operation=new.operation,
        actor=new.actor,
        created_at=at,
    ).sealed()


def _already(row: Row, entry: Entry) -> AlreadyPosted:
    earlier = entry_of(row)
    if (earlier.postings, earlier.currency) != (entry.postings, entry.currency):
        raise LedgerBug(f"{entry.ref} was posted before, with other postings")
    return AlreadyPosted(entry.ref)


async def _post_to_wallets(tx: Tx, wallet_ids: list[str], entry: Entry) -> None:
    """Always in the order of their ids, so that transactions that share wallets meet at the same one."""
    wallets = Wallet.get_pymongo_collection()
    rows = await wallets.find({"_id": {"$in": wallet_ids}}, session=tx.session).sort("_id", 1).to_list()
    if missing := set(wallet_ids) - {row["_id"] for row in rows}:
        raise LedgerBug(f"{entry.ref} touches {', '.join(sorted(missing))}, which is not there")
    lines = []
    for before in map(state_of, rows):
        after, line = apply(before, entry)
        written = await wallets.update_one(
            {"_id": before.id, "seq": before.seq}, {"$set": _written(after)}, session=tx.session
        )
        if written.matched_count != 1:
            raise LedgerBug(f"{before.id} moved under its own transaction")
        lines.append({**line.fields(), "hash": line.hash})
    await StatementLine.get_pymongo_collection().insert_many(lines, session=tx.session)


def _written(wallet: WalletState) -> dict[str, Any]:
    return {
        "available": wallet.available,
        "held": wallet.held,
        "seq": wallet.seq,
        "head": wallet.head,
        "last_at": wallet.last_at,
        "freezes": [{**asdict(freeze), "cause": freeze.cause.value} for freeze in wallet.freezes],
    }
