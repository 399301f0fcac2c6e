"""Hot reads of wallets and statements: raw rows by index, bounded by their page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from domain.kernel.database import Row, Tx, parse
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.ledger.books import Kind
from domain.ledger.documents import EntryRecord, FreezeChange, StatementLine, Wallet

_SEQ_MAX: Final = 2**53


async def wallet(wallet_id: str, tx: Tx | None = None) -> Wallet | None:
    """As `tx` sees it, where one is given."""
    session = None if tx is None else tx.session
    row = await Wallet.get_pymongo_collection().find_one({"_id": wallet_id}, session=session)
    return None if row is None else parse(Wallet, row)


async def wallet_of(owner: str, currency: str, tx: Tx | None = None) -> Wallet | None:
    """The owner's wallet in `currency`, if it was ever opened; as `tx` sees it, where one is given."""
    session = None if tx is None else tx.session
    row = await Wallet.get_pymongo_collection().find_one(
        {"owner": owner, "currency": currency}, session=session
    )
    return None if row is None else parse(Wallet, row)


async def find_wallets(wallet_ids: Sequence[str]) -> dict[str, Wallet]:
    rows = await Wallet.get_pymongo_collection().find({"_id": {"$in": list(wallet_ids)}}).to_list()
    return {row["_id"]: parse(Wallet, row) for row in rows}


async def wallets_of(owner: str) -> list[Wallet]:
    """All wallets of `owner`, by currency."""
    rows = await Wallet.get_pymongo_collection().find({"owner": owner}).sort("currency", 1).to_list()
    return [parse(Wallet, row) for row in rows]


async def freeze_changes(wallet_id: str, request: PageRequest) -> Page[FreezeChange]:
    """How the wallet was frozen and unfrozen, newest first. Cursors are ids."""
    page = await newest_first(FreezeChange.get_pymongo_collection(), {"wallet": wallet_id}, request)
    changes = [parse(FreezeChange, row) for row in page.items]
    return Page(changes, page.has_next_page, page.has_previous_page)


async def has_entries(tx: Tx, operation: str) -> bool:
    """Whether anything is booked under `operation`, as the transaction sees it."""
    entries = EntryRecord.get_pymongo_collection()
    row = await entries.find_one({"operation": operation}, {"_id": 1}, session=tx.session)
    return row is not None


async def is_posted(tx: Tx, ref: str) -> bool:
    """Whether the step was taken, as the transaction sees it."""
    row = await EntryRecord.get_pymongo_collection().find_one({"ref": ref}, {"_id": 1}, session=tx.session)
    return row is not None


async def entries_of(operation: str, tx: Tx | None = None) -> list[EntryRecord]:
    """What is booked under `operation`, in the order of its making. An entry never changes."""
    session = None if tx is None else tx.session
    found = EntryRecord.get_pymongo_collection().find({"operation": operation}, session=session)
    rows = await found.sort("_id", 1).to_list()
    return [parse(EntryRecord, row) for row in rows]


async def withdrawable() -> dict[str, int]:
    """What owners could withdraw now, by currency: of wallets above zero, not frozen. One pass over all."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"available": {"$gt": 0}, "freezes": []}},
        {"$group": {"_id": "$currency", "amount": {"$sum": "$available"}}},
    ]
    cursor = await Wallet.get_pymongo_collection().aggregate(pipeline)
    return {row["_id"]: int(row["amount"]) async for row in cursor}


async def line(wallet_id: str, seq: int) -> StatementLine | None:
    row = await StatementLine.get_pymongo_collection().find_one({"_id": {"w": wallet_id, "s": seq}})
    return None if row is None else parse(StatementLine, row)


async def statement(
    wallet_id: str,
    request: PageRequest,
    *,
    kinds: Sequence[Kind] | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> Page[Row]:
    """One page of the wallet's lines, newest first. Cursors are sequence numbers.

    Times within a statement never run backwards, so a filter by time becomes one by sequence: two bisections.
    """
    lines = StatementLine.get_pymongo_collection()
    low = 1 if created_after is None else await _first_after(wallet_id, created_after)
    high = None if created_before is None else await _first_at_or_after(wallet_id, created_before) - 1
    if kinds is not None:
        within = {"$gte": low} if high is None else {"$gte": low, "$lte": high}
        criteria = {"_id.w": wallet_id, "kind": {"$in": [kind.value for kind in kinds]}, "_id.s": within}
        return await newest_first(lines, criteria, request, field="_id.s", decode=_seq)
    bounds = {
        "$gte": {"w": wallet_id, "s": low},
        "$lte": {"w": wallet_id, "s": _SEQ_MAX if high is None else high},
    }
    return await newest_first(
        lines, {"_id": bounds}, request, decode=lambda text: {"w": wallet_id, "s": _seq(text)}
    )


def _seq(text: str) -> int:
    """Raises ValueError for what we never wrote into a cursor, also where int() would take it."""
    if not (text.isascii() and text.isdigit()) or int(text) > _SEQ_MAX:
        raise ValueError(text)
    return int(text)


async def _first_after(wallet_id: str, instant: datetime) -> int:
    """The first sequence number whose line is later than `instant`; one past the last when none is."""
    return await _bisect(wallet_id, lambda at: at > instant)


async def _first_at_or_after(wallet_id: str, instant: datetime) -> int:
    return await _bisect(wallet_id, lambda at: at >= instant)


async def _bisect(wallet_id: str, is_late: Callable[[datetime], bool]) -> int:
    row = await Wallet.get_pymongo_collection().find_one({"_id": wallet_id}, {"seq": 1})
    low, high = 1, (row["seq"] if row else 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = await StatementLine.get_pymongo_collection().find_one(
            {"_id": {"w": wallet_id, "s": middle}}, {"created_at": 1}
        )
        if found is not None and is_late(found["created_at"]):
            high = middle
        else:
            low = middle + 1
    return low
