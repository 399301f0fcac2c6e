"""Invariants 6 and 9 for withdrawals: states agree with entries, and what is held is what is in flight."""

from collections.abc import Mapping
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.database import Row, batched, parse
from domain.ledger import INVARIANT_6, EntryRecord, NewEntry, Report, booked, expect_entry
from domain.withdrawals import postings
from domain.withdrawals.documents import GIVEN_BACK, HOLDING, SENT, Withdrawal

_BOOKED: Final = {"$regex": "^withdrawal:"}
_ACTOR: Final = ""


async def check(report: Report) -> None:
    """Beside traffic: what is read second was committed with, or before, what is read first."""
    await _withdrawals_have_entries(report)
    await _entries_have_withdrawals(report)


async def holds(session: AsyncClientSession) -> Mapping[str, int]:
    """What withdrawals hold, by wallet, as the session's snapshot shows it."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": [status.value for status in HOLDING]}}},
        {"$group": {"_id": "$wallet", "amount": {"$sum": "$amount"}}},
    ]
    cursor = await Withdrawal.get_pymongo_collection().aggregate(pipeline, session=session)
    return {row["_id"]: int(row["amount"]) async for row in cursor}


async def _withdrawals_have_entries(report: Report) -> None:
    """Each has exactly the entries that its fields tell of, but for what came after it was read."""
    async for rows in batched(Withdrawal.get_pymongo_collection().find({})):
        withdrawals = [parse(Withdrawal, row) for row in rows]
        entries = await booked((withdrawal.id for withdrawal in withdrawals), noun="withdrawal")
        read_before = await _read_before(withdrawals)
        for withdrawal in withdrawals:
            _check(report, withdrawal, entries.get(withdrawal.id, {}), read_before)


async def _read_before(withdrawals: list[Withdrawal]) -> set[str]:
    """The transfers and reversals that were booked before anybody knew whose they are, by Stripe's ids."""
    ids = [
        stripe_id
        for withdrawal in withdrawals
        for sent in withdrawal.transfers
        for stripe_id in (sent.id, *(reversal.id for reversal in sent.reversals))
    ]
    rows = EntryRecord.get_pymongo_collection().find({"operation": {"$in": ids}}, {"operation": 1})
    return {row["operation"] async for row in rows}


def _check(report: Report, withdrawal: Withdrawal, entries: Mapping[str, Row], read_before: set[str]) -> None:
    for expected in _expected(withdrawal, read_before):
        expect_entry(report, expected, entries)
    if withdrawal.status in HOLDING:
        settled = entries.get(postings.hold_settled_ref(withdrawal.id))
        # It may have been settled since it was read; the snapshot of invariant 9 has no such gap.
        later = settled is not None and settled["created_at"] > withdrawal.updated_at
        report.expect(INVARIANT_6, withdrawal.id, "a hold", "a hold" if settled is None or later else "none")
    if withdrawal.status in SENT:
        known = "a transfer" if withdrawal.transfers else None
        report.expect(INVARIANT_6, withdrawal.id, "a transfer", known)


def _expected(withdrawal: Withdrawal, read_before: set[str]) -> list[NewEntry]:
    """What must be booked for what its fields say."""
    expected = [postings.reserved(withdrawal, actor=_ACTOR)]
    settled_by_transfer = any(not sent.found for sent in withdrawal.transfers)
    if withdrawal.status in GIVEN_BACK or (withdrawal.status in SENT and not settled_by_transfer):
        expected.append(postings.returned(withdrawal, actor=_ACTOR))
    for sent in withdrawal.transfers:
        was_read = sent.id in read_before
        expected.append(postings.sent(withdrawal, sent, read_before=was_read, actor=_ACTOR))
        for number, reversal in enumerate(sent.reversals):
            was_read = reversal.id in read_before
            expected.append(postings.came_back(withdrawal, sent, number, read_before=was_read, actor=_ACTOR))
    return expected


async def _entries_have_withdrawals(report: Report) -> None:
    async for entries in batched(EntryRecord.get_pymongo_collection().find({"ref": _BOOKED})):
        ids = {entry["operation"] for entry in entries}
        found = Withdrawal.get_pymongo_collection().find({"_id": {"$in": list(ids)}})
        withdrawals = {row["_id"]: parse(Withdrawal, row) async for row in found}
        for entry in entries:
            withdrawal = withdrawals.get(entry["operation"])
            known = set() if withdrawal is None else {step.ref for step in _expected(withdrawal, set())}
            if entry["ref"] not in known:
                report.expect(INVARIANT_6, entry["ref"], "a step of its withdrawal", None)
