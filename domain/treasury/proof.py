"""Invariant 8: Stripe holds for us what the books say, movement by movement.

-platform:stripe = Stripe's available + pending, less the movements that are not read yet, plus what
operations have booked and Stripe's balance does not show yet (a charge reaches it up to an hour later).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from domain import ledger
from domain.gateway import StripeTrouble
from domain.ledger import EntryRecord, Report
from domain.runtime import Runtime
from domain.treasury.documents import Movement
from domain.treasury.explaining import BOOKED_AHEAD
from domain.treasury.reading import reads_from

TRIES: Final = 5
PAUSE_S: Final = 0.2
# What was booked this long before all was read, and has no movement, never reached Stripe.
AWAITED_FOR: Final = timedelta(hours=24)
_INVARIANT: Final = "8 Stripe holds what the books say"
_OVERDUE: Final = "8 what is booked reaches Stripe's balance"
_STRIPE: Final = "platform:stripe"

Amounts = dict[str, int]
"""By currency, in minor units."""


@dataclass(frozen=True)
class _Stripe:
    """What Stripe says: its balance, and every movement (its currency and net) since an instant."""

    asked_at: datetime
    held: Mapping[str, int]
    movements: Mapping[str, tuple[str, int]]
    moving: bool


@dataclass(frozen=True)
class _Comparison:
    expected: Amounts
    actual: Amounts
    overdue: list[str]
    moving: bool


async def prove_balance(runtime: Runtime, report: Report) -> None:
    """Invariant 8, beside traffic. Where Stripe does not answer, the report says that it was not checked."""
    try:
        comparison = await _compared(runtime)
    except StripeTrouble as trouble:
        report.unchecked.append(f"{_INVARIANT}: Stripe could not be asked ({trouble.code})")
        return
    for ref in comparison.overdue:
        report.expect(_OVERDUE, ref, "a balance transaction", None)
    if comparison.expected != comparison.actual and comparison.moving:
        report.unchecked.append(f"{_INVARIANT}: Stripe's balance did not stand still")
        return
    for currency in sorted(comparison.expected.keys() | comparison.actual.keys()):
        expected, actual = comparison.expected.get(currency, 0), comparison.actual.get(currency, 0)
        report.expect(_INVARIANT, currency, expected, actual)


async def _compared(runtime: Runtime) -> _Comparison:
    """Both sides, agreeing; where they do not, the last of several tries. Raises StripeTrouble."""
    comparison = await _compare(runtime)
    for _ in range(TRIES - 1):
        if comparison.expected == comparison.actual:
            break
        # Something may have moved between two questions; what is wrong is so again.
        await asyncio.sleep(PAUSE_S)
        comparison = await _compare(runtime)
    return comparison


async def _compare(runtime: Runtime) -> _Comparison:
    since = await reads_from()
    stripe = await _ask_stripe(runtime, since)
    async with runtime.database.client.start_session(snapshot=True) as session:
        expected = defaultdict(int, stripe.held)
        read = await _read(session, since)
        unread = stripe.movements.keys() - read.keys()
        for movement_id in unread:
            currency, net = stripe.movements[movement_id]
            expected[currency] -= net
        for movement_id in read.keys() - stripe.movements.keys():
            currency, net, read_at = read[movement_id]
            # It came to Stripe after we had asked. What was read before, and is not there, was never there.
            if read_at >= stripe.asked_at:
                expected[currency] += net
        # What is unread may be what is awaited; where nothing is, all that came until now was read.
        awaited, overdue = await _awaited(
            session, await _last_reading(session) if unread else stripe.asked_at
        )
        for currency, amount in awaited.items():
            expected[currency] += amount
        balances = await ledger.platform_balances(session)
    actual = {currency: -amount for (currency, account), amount in balances.items() if account == _STRIPE}
    return _Comparison(_not_zero(expected), _not_zero(actual), overdue, stripe.moving)


async def _ask_stripe(runtime: Runtime, since: datetime | None) -> _Stripe:
    """`moving`: the balance was another one after the listing than before it."""
    asked_at = runtime.now()
    before = await runtime.gateway.balance()
    listed = runtime.gateway.balance_transactions(since=since)
    movements = {
        transaction.id: (transaction.net.currency, transaction.net.amount) async for transaction in listed
    }
    after = await runtime.gateway.balance()
    return _Stripe(asked_at, after.total, movements, moving=before.total != after.total)


async def _read(session: AsyncClientSession, since: datetime | None) -> dict[str, tuple[str, int, datetime]]:
    """The marks since then: currency, net, and when it was read."""
    criteria = {} if since is None else {"created_at": {"$gte": since}}
    rows = Movement.get_pymongo_collection().find(criteria, session=session)
    return {row["_id"]: (row["currency"], row["amount"] - row["fee"], row["read_at"]) async for row in rows}


async def _last_reading(session: AsyncClientSession) -> datetime | None:
    newest = [("created_at", DESCENDING)]
    last = await Movement.get_pymongo_collection().find_one({}, sort=newest, session=session)
    return None if last is None else last["read_at"]


async def _awaited(session: AsyncClientSession, read_until: datetime | None) -> tuple[Amounts, list[str]]:
    """What operations have booked at Stripe and no movement has been matched with: the sums of what may still
    come, and the refs of what should have come long ago, for all until `read_until` was read.
    """
    amounts: Amounts = defaultdict(int)
    overdue = []
    async for entry in await _unmatched(session):
        if read_until is not None and entry["created_at"] < read_until - AWAITED_FOR:
            overdue.append(entry["ref"])
            continue
        for posting in entry["postings"]:
            came = (posting["source"] == _STRIPE) - (posting["destination"] == _STRIPE)
            amounts[entry["currency"]] += came * posting["amount"]
    return amounts, overdue


async def _unmatched(session: AsyncClientSession) -> Any:
    pipeline: list[dict[str, Any]] = [
        {
            "$match": {
                "ref": {"$regex": BOOKED_AHEAD},
                "$or": [{"postings.source": _STRIPE}, {"postings.destination": _STRIPE}],
            }
        },
        {"$lookup": {"from": "movements", "localField": "ref", "foreignField": "entry", "as": "movements"}},
        {"$match": {"movements": []}},
        {"$project": {"ref": 1, "currency": 1, "postings": 1, "created_at": 1}},
    ]
    return await EntryRecord.get_pymongo_collection().aggregate(pipeline, session=session)


def _not_zero(amounts: Mapping[str, int]) -> Amounts:
    return {currency: amount for currency, amount in amounts.items() if amount}
