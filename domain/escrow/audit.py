"""Invariants 6 and 7 for escrows: state, moves and entries agree, and every amount is the formulas'."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.escrow import fees
from domain.escrow.documents import Escrow, EscrowMove
from domain.escrow.fees import MoveKind, Progress, Terms
from domain.escrow.moves import entry_of, funding_of
from domain.escrow.states import EscrowStatus
from domain.kernel.database import Row, batched, parse
from domain.ledger import EntryRecord, NewEntry, Report, Wallet

_INVARIANT: Final = "6 operation agrees with its entries"
_LOCKED: Final = "7 escrow's account holds its rest"
# They end before anybody accepted, by one refund of everything.
_UNACCEPTED: Final = frozenset({EscrowStatus.REJECTED, EscrowStatus.EXPIRED, EscrowStatus.CANCELED})

Owned = Mapping[tuple[str, str], str]
"""A wallet's id, by its owner and currency."""


async def check(report: Report) -> None:
    """Beside traffic: a batch of escrows, their moves and their entries are read in one snapshot."""
    await _escrows_agree(report)
    await _entries_have_escrows(report)
    await _moves_have_escrows(report)


async def _escrows_agree(report: Report) -> None:
    collection = Escrow.get_pymongo_collection()
    client = collection.database.client
    async for rows in batched(collection.find({}, {"_id": 1})):
        async with client.start_session(snapshot=True) as session:
            escrows = await _read(Escrow, "_id", [row["_id"] for row in rows], session)
            ids = [row["_id"] for row in escrows]
            moves = _by("escrow", await _read(EscrowMove, "escrow", ids, session))
            entries = _by("operation", await _read(EntryRecord, "operation", ids, session))
            people = {row.get(side) for row in escrows for side in ("owner", "contractor")}
            wallets = await _read(Wallet, "owner", list(people), session)
        owned = {(str(row["owner"]), str(row.get("currency"))): str(row["_id"]) for row in wallets}
        for row in escrows:
            _check_row(report, row, moves[row["_id"]], entries[row["_id"]], owned)


async def _read(
    model: type[Any], field: str, values: Collection[Any], session: AsyncClientSession
) -> list[Row]:
    criteria = {field: {"$in": list(values)}}
    rows: list[Row] = await model.get_pymongo_collection().find(criteria, session=session).to_list()
    return rows


def _by(field: str, rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[field]].append(row)
    return grouped


def _check_row(report: Report, row: Row, moves: Sequence[Row], entries: Sequence[Row], owned: Owned) -> None:
    try:
        escrow = parse(Escrow, row)
        made = sorted((parse(EscrowMove, move) for move in moves), key=lambda move: move.number)
        _check_wallets(report, escrow, owned)
        _check_entries(report, escrow, made, entries)
        _check_progress(report, escrow, made)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        report.expect(_INVARIANT, str(row["_id"]), "an escrow, its moves and its entries", repr(error))


def _check_entries(
    report: Report, escrow: Escrow, moves: Sequence[EscrowMove], entries: Sequence[Row]
) -> None:
    """It was funded by one, each move has one, and there is no other."""
    said = {entry["ref"]: _stored(entry) for entry in entries}
    for expected in (funding_of(escrow), *(entry_of(escrow, move) for move in moves)):
        report.expect(_INVARIANT, expected.ref, _said(expected), said.pop(expected.ref, None))
    for ref in said:
        report.expect(_INVARIANT, ref, "a move of its escrow", None)


def _check_wallets(report: Report, escrow: Escrow, owned: Owned) -> None:
    """Both parties are paid into their own wallets."""
    report.expect(_INVARIANT, escrow.id, owned.get((escrow.owner, escrow.currency)), escrow.wallet)
    if escrow.contractor_wallet is not None:
        wallet = owned.get((escrow.contractor, escrow.currency))
        report.expect(_INVARIANT, escrow.id, wallet, escrow.contractor_wallet)


def _check_progress(report: Report, escrow: Escrow, moves: Sequence[EscrowMove]) -> None:
    """The moves add up to what the escrow says of itself, each by the formulas."""
    progress = Progress()
    for number, move in enumerate(moves, start=1):
        step = fees.step(escrow.terms, progress, move.kind, move.amount)
        expected = (number, step.net, step.fees, escrow.currency)
        report.expect(_INVARIANT, move.id, expected, (move.number, move.net, move.fees, move.currency))
        progress = step.after
    report.expect(_INVARIANT, escrow.id, (progress, len(moves)), (escrow.progress, escrow.moves_made))
    report.expect(_LOCKED, escrow.id, fees.locked(escrow.terms, progress), escrow.locked)
    possible = _states_of(escrow.terms, progress, {move.kind for move in moves})
    if escrow.status not in possible:
        report.expect(_INVARIANT, escrow.id, sorted(possible), escrow.status.value)
    told = [change.status for change in escrow.history][-1:]
    report.expect(_INVARIANT, escrow.id, [escrow.status.value], told)


def _states_of(terms: Terms, progress: Progress, kinds: Set[MoveKind]) -> Set[EscrowStatus]:
    """Where an escrow can stand that has come so far."""
    s = EscrowStatus
    if fees.rest(terms, progress) == 0:
        if len(kinds) > 1:
            return {s.SPLIT}
        return {s.RELEASED} if progress.released else {s.REFUNDED} | _UNACCEPTED
    if progress.released:
        return {s.PARTIALLY_RELEASED, s.DISPUTED}
    return {s.ACCEPTED, s.DISPUTED} if progress.refunded else {s.FUNDED, s.ACCEPTED, s.DISPUTED}


async def _entries_have_escrows(report: Report) -> None:
    entries = EntryRecord.get_pymongo_collection()
    found = entries.find({"ref": {"$regex": "^escrow:"}}, {"ref": 1, "operation": 1})
    async for rows in batched(found):
        known = await _known([row["operation"] for row in rows])
        for row in rows:
            escrow_id = row["ref"].split(":")[1]
            expected = escrow_id if escrow_id in known else "an escrow"
            report.expect(_INVARIANT, row["ref"], expected, row["operation"])


async def _moves_have_escrows(report: Report) -> None:
    async for rows in batched(EscrowMove.get_pymongo_collection().find({}, {"escrow": 1})):
        known = await _known([row.get("escrow") for row in rows])
        for row in rows:
            if row.get("escrow") not in known:
                report.expect(_INVARIANT, str(row["_id"]), "an escrow", None)


async def _known(escrow_ids: Sequence[Any]) -> set[str]:
    rows = Escrow.get_pymongo_collection().find({"_id": {"$in": list(escrow_ids)}}, {"_id": 1})
    return {row["_id"] async for row in rows}


def _said(entry: NewEntry) -> tuple[Any, ...]:
    postings = [(str(p.source), str(p.destination), p.amount) for p in entry.postings]
    return (entry.kind.value, entry.currency, postings)


def _stored(entry: Row) -> tuple[Any, ...]:
    postings = [(p["source"], p["destination"], p["amount"]) for p in entry["postings"]]
    return (entry["kind"], entry["currency"], postings)
