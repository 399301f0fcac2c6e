"""Invariant 6 for what was read of Stripe's balance: each mark and its entries agree."""

from collections.abc import Iterable
from typing import Any, Final

from domain.gateway import BalanceTransaction
from domain.kernel.database import Row, parse
from domain.kernel.money import Money
from domain.ledger import EntryRecord, NewEntry, Report
from domain.treasury.booking import entries_of, operation_of
from domain.treasury.documents import Movement, Outcome
from domain.treasury.explaining import Explanation, Matched, Own, Unexplained

_INVARIANT: Final = "6 movement at Stripe agrees with its entries"


async def check(report: Report) -> None:
    """Beside traffic: a mark and its entries are committed together, and an operation's before them."""
    await _mark_has_entries(report)
    await _entry_has_mark(report)


async def _mark_has_entries(report: Report) -> None:
    async for row in Movement.get_pymongo_collection().find({}):
        try:
            movement = parse(Movement, row)
        except ValueError as error:
            report.expect(_INVARIANT, row["_id"], "a mark", repr(error))
            continue
        explanation = await _explanation(movement)
        if explanation is None:
            report.expect(_INVARIANT, movement.id, movement.entry or "an account", None)
            continue
        transaction = _transaction(movement)
        report.expect(_INVARIANT, movement.id, operation_of(transaction, explanation), movement.operation)
        # ";" follows ":", so these are all refs that begin with it.
        refs = {"$gte": f"stripe:{movement.id}:", "$lt": f"stripe:{movement.id};"}
        stored = await EntryRecord.get_pymongo_collection().find({"ref": refs}).to_list()
        expected = entries_of(transaction, explanation)
        report.expect(_INVARIANT, movement.id, _said(expected), sorted(map(_stored, stored)))


async def _entry_has_mark(report: Report) -> None:
    async for entry in EntryRecord.get_pymongo_collection().find({"ref": {"$regex": "^stripe:"}}):
        movement_id = entry["ref"].split(":")[1]
        if await Movement.get_pymongo_collection().find_one({"_id": movement_id}, {"_id": 1}) is None:
            report.expect(_INVARIANT, entry["ref"], "a mark", None)


async def _explanation(movement: Movement) -> Explanation | None:
    """As it was when it was read; None when the entry that it was matched with is not there."""
    match movement.outcome:
        case Outcome.UNEXPLAINED:
            return Unexplained(movement.operation)
        case Outcome.BOOKED:
            return None if movement.account is None else Own(movement.account)
        case Outcome.MATCHED:
            entry = await EntryRecord.get_pymongo_collection().find_one({"ref": movement.entry})
            if entry is None:
                return None
            posted = Money(_came_to_stripe(entry), entry["currency"])
            return Matched(entry["operation"], str(movement.entry), posted)


def _came_to_stripe(entry: Row) -> int:
    """What the entry says that came to Stripe; negative, what left."""
    came = [p["amount"] for p in entry["postings"] if p["source"] == "platform:stripe"]
    left = [p["amount"] for p in entry["postings"] if p["destination"] == "platform:stripe"]
    return int(sum(came) - sum(left))


def _transaction(movement: Movement) -> BalanceTransaction:
    return BalanceTransaction(
        id=movement.id,
        type=movement.type,
        category=movement.category,
        amount=Money(movement.amount, movement.currency),
        fee=Money(movement.fee, movement.currency),
        source=movement.source,
        payment_intent=None,
        transfer=None,
        created_at=movement.created_at,
    )


def _said(entries: Iterable[NewEntry]) -> list[tuple[Any, ...]]:
    return sorted(
        (
            entry.ref,
            entry.kind.value,
            entry.currency,
            entry.operation,
            [(str(posting.source), str(posting.destination), posting.amount) for posting in entry.postings],
        )
        for entry in entries
    )


def _stored(entry: Row) -> tuple[Any, ...]:
    postings = [(p["source"], p["destination"], p["amount"]) for p in entry["postings"]]
    return entry["ref"], entry["kind"], entry["currency"], entry["operation"], postings
