"""Lines by their numbers, and entries by ref and by operation, many at once: each by index, and bounded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from domain.kernel.database import Row, parse
from domain.ledger.documents import EntryRecord, StatementLine

_LINE_FIELDS: Final = {"ref": 1, "available_delta": 1, "available_after": 1, "created_at": 1}


async def lines_between(ranges: Sequence[tuple[str, int, int]]) -> list[Row]:
    """The lines of each (wallet, first, last), both included: `_id`, ref, what is available, and when."""
    within = [
        {"_id": {"$gte": {"w": wallet, "s": first}, "$lte": {"w": wallet, "s": last}}}
        for wallet, first, last in ranges
    ]
    lines = StatementLine.get_pymongo_collection()
    rows: list[Row] = await lines.find({"$or": within}, _LINE_FIELDS).to_list() if within else []
    return rows


async def line_times(places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], datetime]:
    """When each line, named by wallet and number, was written; within a wallet they never run backwards."""
    ids = [{"w": wallet, "s": seq} for wallet, seq in places]
    rows = StatementLine.get_pymongo_collection().find({"_id": {"$in": ids}}, {"created_at": 1})
    return {(row["_id"]["w"], row["_id"]["s"]): row["created_at"] async for row in rows}


async def entries_with(refs: Sequence[str]) -> list[EntryRecord]:
    rows = EntryRecord.get_pymongo_collection().find({"ref": {"$in": list(refs)}})
    return [parse(EntryRecord, row) async for row in rows]


async def entries_of_all(operations: Sequence[str], *, limit: int) -> list[EntryRecord]:
    """What is booked under any of `operations`, at most `limit`; in the order of making."""
    rows = EntryRecord.get_pymongo_collection().find({"operation": {"$in": list(operations)}})
    return sorted([parse(EntryRecord, row) async for row in rows.limit(limit)], key=lambda entry: entry.id)
