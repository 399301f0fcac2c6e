"""Invariant 6 for disputes: they agree with their entries, their deposit, and their wallet's freezes."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.deposits import Deposit
from domain.disputes import postings
from domain.disputes.documents import Dispute
from domain.kernel.database import Row, batched, parse
from domain.ledger import (
    INVARIANT_6,
    EntryRecord,
    FreezeCause,
    NewEntry,
    Report,
    Wallet,
    content_expected,
    content_of,
)

_BOOKED: Final = {"$regex": "^dispute:"}
_ACTOR: Final = ""


async def check(report: Report) -> None:
    """Beside traffic: a batch of disputes and all that must agree with them is read in one snapshot."""
    await _disputes_agree(report)
    await _entries_have_disputes(report)


async def _disputes_agree(report: Report) -> None:
    collection = Dispute.get_pymongo_collection()
    async for ids in batched(collection.find({}, {"_id": 1})):
        async with collection.database.client.start_session(snapshot=True) as session:
            rows = await _read(Dispute, "_id", [row["_id"] for row in ids], session)
            disputes = _parsed(report, rows)
            movements = [movement.id for dispute in disputes for movement in dispute.movements]
            operations = [*(dispute.id for dispute in disputes), *movements]
            entries: defaultdict[str, dict[str, Row]] = defaultdict(dict)
            for entry in await _read(EntryRecord, "operation", operations, session):
                entries[entry["operation"]][entry["ref"]] = entry
            deposits = await _read(Deposit, "_id", [dispute.deposit for dispute in disputes], session)
            wallets = await _read(Wallet, "_id", [dispute.wallet for dispute in disputes], session)
        reclaims = {row["_id"]: row["reclaims"] for row in deposits}
        freezes = {row["_id"]: row["freezes"] for row in wallets}
        for dispute in disputes:
            read_before = {movement.id for movement in dispute.movements if movement.id in entries}
            _check_entries(report, dispute, entries[dispute.id], read_before)
            _check_standing(report, dispute, reclaims.get(dispute.deposit), freezes.get(dispute.wallet))


async def _read(
    model: type[Any], field: str, values: Collection[str], session: AsyncClientSession
) -> list[Row]:
    criteria = {field: {"$in": list(values)}}
    rows: list[Row] = await model.get_pymongo_collection().find(criteria, session=session).to_list()
    return rows


def _parsed(report: Report, rows: list[Row]) -> list[Dispute]:
    disputes = []
    for row in rows:
        try:
            disputes.append(parse(Dispute, row))
        except ValueError as error:
            report.expect(INVARIANT_6, row["_id"], "a dispute", repr(error))
    return disputes


def _check_entries(
    report: Report, dispute: Dispute, entries: Mapping[str, Row], read_before: Collection[str]
) -> None:
    """Each movement has its entry, the write-off has one, and there is no other."""
    expected = {entry.ref: content_expected(entry) for entry in _expected(dispute, read_before)}
    stored = {ref: content_of(entry) for ref, entry in entries.items() if ref.startswith("dispute:")}
    for ref in sorted(expected.keys() | stored.keys()):
        report.expect(INVARIANT_6, ref, expected.get(ref), stored.get(ref))


def _check_standing(
    report: Report, dispute: Dispute, reclaims: list[Row] | None, freezes: list[Row] | None
) -> None:
    """What it takes of its deposit stands there, and its wallet is frozen for as long as it is open."""
    taken = {"operation": dispute.id, "amount": dispute.outstanding, "blocks": dispute.is_open}
    expected = [taken] if dispute.outstanding or dispute.is_open else []
    mine = [reclaim for reclaim in reclaims or [] if reclaim["operation"] == dispute.id]
    report.expect(INVARIANT_6, f"{dispute.id} of {dispute.deposit}", expected, mine)
    cause = (FreezeCause.DISPUTE.value, dispute.id)
    frozen = any((freeze["cause"], freeze["operation"]) == cause for freeze in freezes or [])
    report.expect(INVARIANT_6, f"{dispute.id} freezes {dispute.wallet}", dispute.is_open, frozen)


def _expected(dispute: Dispute, read_before: Collection[str]) -> list[NewEntry]:
    """What must be booked for what its fields say."""
    moved = [
        postings.moved(dispute, movement, read_before=movement.id in read_before, actor=_ACTOR)
        for movement in dispute.movements
    ]
    expected = [entry for entry in moved if entry is not None]
    if dispute.write_off is not None:
        expected.append(postings.written_off(dispute, dispute.write_off, actor=_ACTOR))
    return expected


async def _entries_have_disputes(report: Report) -> None:
    booked = EntryRecord.get_pymongo_collection().find({"ref": _BOOKED}, {"ref": 1, "operation": 1})
    async for entries in batched(booked):
        ids = {entry["operation"] for entry in entries}
        rows = Dispute.get_pymongo_collection().find({"_id": {"$in": list(ids)}}, {"_id": 1})
        known = {row["_id"] async for row in rows}
        for entry in entries:
            if entry["operation"] not in known:
                report.expect(INVARIANT_6, entry["ref"], "a step of its dispute", None)
