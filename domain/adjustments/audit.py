"""Invariant 6 for adjustments: what is posted has its entry, whatever else is posted is a violation."""

from collections.abc import Mapping
from typing import Final

from domain.adjustments import postings
from domain.adjustments.documents import Adjustment, AdjustmentStatus
from domain.kernel.database import Row, batched, parse
from domain.ledger import INVARIANT_6, EntryRecord, Report, content_expected, content_of

_BOOKED: Final = {"$regex": "^adjustment:"}


async def check(report: Report) -> None:
    """Beside traffic: a batch of adjustments and their entries are read in one snapshot."""
    await _adjustments_have_entries(report)
    await _entries_have_adjustments(report)


async def _adjustments_have_entries(report: Report) -> None:
    adjustments, entries = Adjustment.get_pymongo_collection(), EntryRecord.get_pymongo_collection()
    client = adjustments.database.client
    async for rows in batched(adjustments.find({}, {"_id": 1})):
        ids = [row["_id"] for row in rows]
        async with client.start_session(snapshot=True) as session:
            seen = await adjustments.find({"_id": {"$in": ids}}, session=session).to_list()
            booked = await entries.find({"operation": {"$in": ids}}, session=session).to_list()
        by_ref = {row["ref"]: row for row in booked}
        for row in seen:
            _check(report, row, by_ref)


def _check(report: Report, row: Row, entries: Mapping[str, Row]) -> None:
    try:
        adjustment = parse(Adjustment, row)
        expected = content_expected(postings.posted(adjustment))
    except (ValueError, TypeError) as error:
        report.expect(INVARIANT_6, str(row["_id"]), "an adjustment", repr(error))
        return
    is_posted = adjustment.status is AdjustmentStatus.POSTED
    entry = entries.get(postings.posted_ref(adjustment.id))
    stored = None if entry is None else content_of(entry)
    report.expect(INVARIANT_6, adjustment.id, expected if is_posted else None, stored)
    if adjustment.decided_by in {adjustment.asked_by, adjustment.owner} and is_posted:
        report.expect(INVARIANT_6, adjustment.id, "confirmed by another", adjustment.decided_by)


async def _entries_have_adjustments(report: Report) -> None:
    """Each is the one step of the adjustment that it names."""
    found = EntryRecord.get_pymongo_collection().find({"ref": _BOOKED}, {"ref": 1, "operation": 1})
    async for rows in batched(found):
        ids = [row["operation"] for row in rows]
        known = Adjustment.get_pymongo_collection().find({"_id": {"$in": ids}}, {"_id": 1})
        refs = {postings.posted_ref(row["_id"]) async for row in known}
        for row in rows:
            own = postings.posted_ref(row["operation"])
            if row["ref"] != own or own not in refs:
                report.expect(INVARIANT_6, row["ref"], "the step of its adjustment", None)
