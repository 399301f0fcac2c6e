"""Reading refunds: pages, and whose a refund at Stripe is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from domain.kernel.database import Tx, parse
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.refunds.documents import Refund, RefundStatus

# What is pending at Stripe is told by events; this is how often it is read all the same.
READ_EVERY: Final = timedelta(hours=1)


def due_while_pending(now: datetime) -> datetime:
    return now + READ_EVERY


async def find(refund_id: str, tx: Tx | None = None) -> Refund | None:
    return await _one({"_id": refund_id}, tx)


async def get(refund_id: str, tx: Tx | None = None) -> Refund:
    """As `tx` sees it, where one is given. Raises LookupError: only for ids that were read before."""
    refund = await find(refund_id, tx)
    if refund is None:
        raise LookupError(refund_id)
    return refund


async def find_many(refund_ids: Sequence[str]) -> dict[str, Refund]:
    rows = Refund.get_pymongo_collection().find({"_id": {"$in": list(refund_ids)}})
    return {row["_id"]: parse(Refund, row) async for row in rows}


async def find_sent(stripe_id: str, tx: Tx | None = None) -> Refund | None:
    """The refund that is known to be this one at Stripe."""
    return await _one({"sent.id": stripe_id}, tx)


async def of_deposit(deposit_id: str) -> list[Refund]:
    """All refunds of the deposit, newest first: a few, for each takes a part of it."""
    rows = Refund.get_pymongo_collection().find({"deposit": deposit_id}).sort("_id", -1)
    return [parse(Refund, row) async for row in rows]


async def of_deposits(deposit_ids: Sequence[str]) -> list[Refund]:
    """All refunds of the deposits, in the order of their making."""
    rows = Refund.get_pymongo_collection().find({"deposit": {"$in": list(deposit_ids)}}).sort("_id", 1)
    return [parse(Refund, row) async for row in rows]


async def page_of(
    request: PageRequest, *, criteria: dict[str, Any], statuses: Sequence[RefundStatus] | None = None
) -> Page[Refund]:
    """Refunds, newest first, under `criteria` that an index serves. Cursors are ids."""
    if statuses is not None:
        criteria = {**criteria, "status": {"$in": [status.value for status in statuses]}}
    page = await newest_first(Refund.get_pymongo_collection(), criteria, request)
    return Page([parse(Refund, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def _one(criteria: dict[str, Any], tx: Tx | None) -> Refund | None:
    session = None if tx is None else tx.session
    row = await Refund.get_pymongo_collection().find_one(criteria, session=session)
    return None if row is None else parse(Refund, row)
