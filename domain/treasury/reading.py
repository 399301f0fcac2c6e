"""Reading Stripe's balance transactions: every one of them, the oldest first, each once.

Stripe lists the newest first. So they are read by windows of time that hold only so many, and within a window
from its end. Where reading goes on is where the last mark stands: no cursor can disagree with the marks.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from domain.gateway import BalanceTransaction
from domain.kernel.database import Tx
from domain.runtime import Runtime
from domain.treasury.booking import book
from domain.treasury.documents import Movement
from domain.treasury.explaining import explain

# What appears in Stripe's list later than others of its time is still found this long.
OVERLAP: Final = timedelta(hours=1)
# A window is full then, and ends with the second in which that is.
WINDOW_ROWS_MIN: Final = 500
SECOND: Final = timedelta(seconds=1)


async def read_all(runtime: Runtime) -> None:
    """Everything that has no mark yet. Raises StripeTrouble: the rest is read next time."""
    async for window in _windows(runtime, await reads_from()):
        for transaction in await unread(window):
            await _read(runtime, transaction)


async def reads_from(session: AsyncClientSession | None = None) -> datetime | None:
    """The instant from which unread ones may lie; None before the first."""
    movements = Movement.get_pymongo_collection()
    last = await movements.find_one({}, {"created_at": 1}, sort=[("created_at", DESCENDING)], session=session)
    return None if last is None else last["created_at"] - OVERLAP


async def unread(
    transactions: Sequence[BalanceTransaction], session: AsyncClientSession | None = None
) -> list[BalanceTransaction]:
    """Those of `transactions` that have no mark."""
    ids = {"_id": {"$in": [transaction.id for transaction in transactions]}}
    marks = Movement.get_pymongo_collection().find(ids, {"_id": 1}, session=session)
    known = {mark["_id"] async for mark in marks}
    return [transaction for transaction in transactions if transaction.id not in known]


async def _windows(runtime: Runtime, since: datetime | None) -> AsyncIterator[list[BalanceTransaction]]:
    """All from `since`, the oldest first, in windows that begin and end with a second.

    The list is walked once to its end, where the oldest are. If it is long, only the windows' beginnings are
    remembered on the way, and the newer windows are listed again.
    """
    gateway = runtime.gateway
    beginnings: list[datetime] = []
    window: list[BalanceTransaction] = []
    beginning = datetime.max.replace(tzinfo=UTC)
    async for transaction in gateway.balance_transactions(since=since):
        if len(window) >= WINDOW_ROWS_MIN and transaction.created_at < beginning:
            beginnings.append(beginning)
            window = []
        beginning = min(beginning, transaction.created_at)
        window.append(transaction)
    yield _oldest_first(window)
    while beginnings:
        beginning = beginnings.pop()
        until = beginnings[-1] - SECOND if beginnings else None
        listed = gateway.balance_transactions(since=beginning, until=until)
        yield _oldest_first([transaction async for transaction in listed])


def _oldest_first(listed: Sequence[BalanceTransaction]) -> list[BalanceTransaction]:
    """By their second; within one, as Stripe lists them."""
    ordered = list(reversed(listed))
    ordered.sort(key=lambda transaction: transaction.created_at)
    return ordered


async def _read(runtime: Runtime, transaction: BalanceTransaction) -> None:
    """Hand it to the noun that may explain it, then write what became of it and its mark together."""
    explanation = await explain(runtime, transaction)

    async def work(tx: Tx) -> None:
        await book(tx, transaction, explanation)

    await runtime.database.transact(work)
