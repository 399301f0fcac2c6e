"""Invariants 6 and 9 for refunds: states agree with entries, and what is held is what is in flight."""

from collections.abc import Mapping
from typing import Any, Final

from beanie import Document
from pymongo.asynchronous.client_session import AsyncClientSession

from domain.deposits import Deposit
from domain.kernel.database import Row, batched, parse
from domain.ledger import INVARIANT_6, EntryRecord, NewEntry, Report, booked, expect_entry
from domain.refunds import postings
from domain.refunds.documents import HOLDING, OVER, Refund, RefundOrigin, SentBy

_BOOKED: Final = {"$regex": "^refund:"}
_ACTOR: Final = ""


async def check(report: Report) -> None:
    """Beside traffic: what is read second was committed with, or before, what is read first."""
    await _refunds_have_entries(report)
    await _entries_have_refunds(report)
    await _reclaims_have_refunds(report)


async def holds(session: AsyncClientSession) -> Mapping[str, int]:
    """What refunds hold, by wallet, as the session's snapshot shows it."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": [status.value for status in HOLDING]}, "sent": None}},
        {"$group": {"_id": "$wallet", "amount": {"$sum": "$amount"}}},
    ]
    cursor = await Refund.get_pymongo_collection().aggregate(pipeline, session=session)
    return {row["_id"]: int(row["amount"]) async for row in cursor}


async def _refunds_have_entries(report: Report) -> None:
    """Each has exactly the entries that its fields tell of, but for what came after it was read."""
    collection = Refund.get_pymongo_collection()
    async for ids in batched(collection.find({}, {"_id": 1})):
        async with collection.database.client.start_session(snapshot=True) as session:
            rows = await _rows(Refund, [row["_id"] for row in ids], session)
            refunds = [parse(Refund, row) for row in rows]
            # As they were together: other refunds of the deposit change it at any time.
            of_deposits = await _rows(Deposit, [refund.deposit for refund in refunds], session)
        reclaims = {row["_id"]: row["reclaims"] for row in of_deposits}
        entries = await booked((refund.id for refund in refunds), noun="refund")
        read_before = await _read_before(refunds)
        for refund in refunds:
            _check(report, refund, entries.get(refund.id, {}), read_before)
            _check_reclaim(report, refund, reclaims.get(refund.deposit))


async def _rows(model: type[Document], ids: list[str], session: AsyncClientSession) -> list[Row]:
    found = model.get_pymongo_collection().find({"_id": {"$in": ids}}, session=session)
    rows: list[Row] = await found.to_list()
    return rows


def _check(
    report: Report, refund: Refund, entries: Mapping[str, Row], read_before: set[tuple[str, bool]]
) -> None:
    for expected in _expected(refund, read_before):
        expect_entry(report, expected, entries)
    if refund.holds_money:
        settled = entries.get(postings.hold_settled_ref(refund.id))
        # It may have been settled since it was read; the snapshot of invariant 9 has no such gap.
        later = settled is not None and settled["created_at"] > refund.updated_at
        report.expect(INVARIANT_6, refund.id, "a hold", "a hold" if settled is None or later else "none")


def _check_reclaim(report: Report, refund: Refund, reclaims: list[Row] | None) -> None:
    """Its deposit knows what it takes, and that once."""
    if reclaims is None:
        report.expect(INVARIANT_6, refund.id, refund.deposit, None)
        return
    taken = {"operation": refund.id, "amount": refund.amount, "blocks": False}
    expected = [] if refund.status in OVER else [taken]
    mine = [reclaim for reclaim in reclaims if reclaim["operation"] == refund.id]
    report.expect(INVARIANT_6, f"{refund.id} of {refund.deposit}", expected, mine)


async def _read_before(refunds: list[Refund]) -> set[tuple[str, bool]]:
    """What was booked before anybody knew whose it is: Stripe's id, and whether it left or came back."""
    ids = [refund.sent.id for refund in refunds if refund.sent is not None]
    found = set()
    async for row in EntryRecord.get_pymongo_collection().find({"operation": {"$in": ids}}):
        ways = {(posting["source"], posting["destination"]) for posting in row["postings"]}
        found |= {(row["operation"], left) for left in (True, False) if postings.read_way(left=left) in ways}
    return found


def _expected(refund: Refund, read_before: set[tuple[str, bool]]) -> list[NewEntry]:
    """What must be booked for what its fields say."""
    sent = refund.sent
    expected = []
    if refund.origin is RefundOrigin.PRODUCT:
        expected.append(postings.reserved(refund, actor=_ACTOR))
        never_sent = sent is None and refund.status in OVER
        if never_sent or (sent is not None and sent.booked is SentBy.FOUND_SENT):
            expected.append(postings.given_back(refund, actor=_ACTOR))
    if sent is None:
        return expected
    was_read = (sent.id, True) in read_before
    expected.append(postings.sent(refund, sent.booked, read_before=was_read, actor=_ACTOR))
    if sent.returned:
        was_read = (sent.id, False) in read_before
        expected.append(postings.returned(refund, read_before=was_read, actor=_ACTOR))
    return expected


async def _entries_have_refunds(report: Report) -> None:
    async for entries in batched(EntryRecord.get_pymongo_collection().find({"ref": _BOOKED})):
        ids = {entry["operation"] for entry in entries}
        found = Refund.get_pymongo_collection().find({"_id": {"$in": list(ids)}})
        refunds = {row["_id"]: parse(Refund, row) async for row in found}
        for entry in entries:
            refund = refunds.get(entry["operation"])
            known = set() if refund is None else {step.ref for step in _expected(refund, set())}
            if entry["ref"] not in known:
                report.expect(INVARIANT_6, entry["ref"], "a step of its refund", None)


async def _reclaims_have_refunds(report: Report) -> None:
    """What is taken of a deposit is taken by a refund that is there, and is of it."""
    taken = Deposit.get_pymongo_collection().find(
        {"reclaims.operation": {"$regex": "^rfd_"}}, {"reclaims.operation": 1}
    )
    async for rows in batched(taken):
        reclaims = [(row["_id"], reclaim["operation"]) for row in rows for reclaim in row["reclaims"]]
        ids = [operation for _, operation in reclaims if operation.startswith("rfd_")]
        found = Refund.get_pymongo_collection().find({"_id": {"$in": ids}}, {"deposit": 1})
        of = {row["_id"]: row["deposit"] async for row in found}
        for deposit, operation in reclaims:
            if operation.startswith("rfd_"):
                report.expect(INVARIANT_6, f"{deposit} gives {operation}", deposit, of.get(operation))
