"""The accounts that no document holds, derived from the journal; the platform's, over a snapshot.

A snapshot is cut where a checkpoint is: no entry that is older can still appear.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.database import Row
from domain.kernel.ids import first_id
from domain.ledger.checkpoints import PREFIX, SETTLED
from domain.ledger.documents import BalanceSnapshot, EntryRecord

Balances = dict[tuple[str, str], int]
"""By currency and account, in minor units."""
PLATFORM: Final[Mapping[str, Any]] = {"$regex": "^platform:"}
NO_WALLETS: Final[Mapping[str, Any]] = {"$not": {"$regex": "^wallet:"}}


async def platform_balances(session: AsyncClientSession | None = None) -> Balances:
    """All of the platform's accounts that any entry has touched, as `session`'s snapshot shows them."""
    snapshot = await _newest(session)
    if snapshot is None:
        return await derived(PLATFORM, session=session)
    since = await derived(PLATFORM, {"_id": {"$gte": snapshot["_id"]}}, session=session)
    return _sum(chain(_of_rows(snapshot["balances"]), since.items()))


async def cut_snapshot(now: datetime) -> None:
    """Sum up the entries from before `now` to which none can be added any more.

    May be run by two processes at once: each snapshot is right for itself, and the newest is read.
    """
    cut = first_id(PREFIX, at=now - SETTLED)
    previous = await _newest()
    if previous is not None and previous["_id"] >= cut:
        return
    since = {"$lt": cut} if previous is None else {"$gte": previous["_id"], "$lt": cut}
    balances = _sum(
        chain(
            [] if previous is None else _of_rows(previous["balances"]),
            (await derived(PLATFORM, {"_id": since})).items(),
        )
    )
    snapshots = BalanceSnapshot.get_pymongo_collection()
    await snapshots.update_one({"_id": cut}, {"$setOnInsert": {"balances": as_rows(balances)}}, upsert=True)
    await snapshots.delete_many({"_id": {"$lt": cut}})


async def derived(
    accounts: Mapping[str, Any],
    criteria: Mapping[str, Any] | None = None,
    *,
    session: AsyncClientSession | None = None,
) -> Balances:
    """The balance of each of `accounts` (a condition), as the entries that meet `criteria` give it."""
    # What is no number is reported with its entry.
    amount = {"$cond": [{"$isNumber": "$postings.amount"}, "$postings.amount", 0]}
    sides = [
        {"account": "$postings.source", "amount": {"$multiply": [amount, -1]}},
        {"account": "$postings.destination", "amount": amount},
    ]
    pipeline: list[dict[str, Any]] = [
        {"$match": criteria or {}},
        {"$unwind": "$postings"},
        {"$project": {"currency": 1, "side": sides}},
        {"$unwind": "$side"},
        {"$match": {"side.account": accounts}},
        {
            "$group": {
                "_id": {"currency": "$currency", "account": "$side.account"},
                "amount": {"$sum": "$side.amount"},
            }
        },
    ]
    cursor = await EntryRecord.get_pymongo_collection().aggregate(
        pipeline, session=session, allowDiskUse=True
    )
    return {
        (str(row["_id"].get("currency")), str(row["_id"].get("account"))): row["amount"]
        async for row in cursor
    }


def as_rows(balances: Balances) -> list[Row]:
    """As a snapshot stores them."""
    return [
        {"account": account, "currency": currency, "amount": amount}
        for (currency, account), amount in sorted(balances.items())
    ]


def _of_rows(rows: Iterable[Row]) -> Iterable[tuple[tuple[str, str], int]]:
    return (((row["currency"], row["account"]), row["amount"]) for row in rows)


def _sum(balances: Iterable[tuple[tuple[str, str], int]]) -> Balances:
    total: defaultdict[tuple[str, str], int] = defaultdict(int)
    for key, amount in balances:
        total[key] += amount
    return dict(total)


async def _newest(session: AsyncClientSession | None = None) -> Row | None:
    snapshots = BalanceSnapshot.get_pymongo_collection()
    return await snapshots.find_one({}, sort=[("_id", DESCENDING)], session=session)
