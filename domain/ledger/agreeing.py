"""Invariant 6, where a noun can name the entries that its operation must have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain.kernel.database import Row
from domain.ledger.documents import EntryRecord
from domain.ledger.post import NewEntry
from domain.ledger.verify import Report

INVARIANT: Final = "6 operation agrees with its entries"

Booked = Mapping[str, Mapping[str, Row]]
"""Operation -> ref -> its entry as it is stored."""


async def booked(operations: Iterable[str], *, noun: str) -> Booked:
    """The entries of these operations, of those that the noun makes."""
    entries: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    criteria = {"operation": {"$in": list(operations)}, "ref": {"$regex": f"^{noun}:"}}
    async for entry in EntryRecord.get_pymongo_collection().find(criteria):
        entries[entry["operation"]][entry["ref"]] = entry
    return entries


def expect_entry(report: Report, expected: NewEntry, entries: Mapping[str, Row]) -> None:
    """One of `entries` is the expected one, but for who made it and when."""
    entry = entries.get(expected.ref)
    said = None if entry is None else content_of(entry)
    report.expect(INVARIANT, expected.ref, content_expected(expected), said)


def content_of(entry: Row) -> tuple[Any, ...]:
    """What a stored entry says of money."""
    steps = [(step["source"], step["destination"], step["amount"]) for step in entry["postings"]]
    return entry["kind"], entry["currency"], steps


def content_expected(entry: NewEntry) -> tuple[Any, ...]:
    """What it says once it is stored, to be compared."""
    steps = [(str(step.source), str(step.destination), step.amount) for step in entry.postings]
    return entry.kind.value, entry.currency, steps
