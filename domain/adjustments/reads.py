"""Reading adjustments: by id, by the page, and how much one administrator asked for of late."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from domain.adjustments.documents import Adjustment, AdjustmentStatus
from domain.kernel.database import Tx, parse
from domain.kernel.ids import first_id
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.kernel.search import Search

CONFIRMATION_WINDOW: Final = timedelta(hours=24)


async def find(adjustment_id: str, tx: Tx | None = None) -> Adjustment | None:
    session = None if tx is None else tx.session
    row = await Adjustment.get_pymongo_collection().find_one({"_id": adjustment_id}, session=session)
    return None if row is None else parse(Adjustment, row)


async def find_many(adjustment_ids: Sequence[str]) -> dict[str, Adjustment]:
    rows = Adjustment.get_pymongo_collection().find({"_id": {"$in": list(adjustment_ids)}})
    return {row["_id"]: parse(Adjustment, row) async for row in rows}


async def page(
    request: PageRequest, search: Search, *, statuses: Sequence[AdjustmentStatus] | None = None
) -> Page[Adjustment]:
    """What `search` finds, newest first. Cursors are ids."""
    criteria = search.criteria("adj")
    if statuses is not None:
        criteria["status"] = {"$in": [status.value for status in statuses]}
    page = await newest_first(Adjustment.get_pymongo_collection(), criteria, request)
    return Page([parse(Adjustment, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def asked_for_since(tx: Tx, admin: str, wallet_id: str, since: datetime) -> int:
    """Minor units, up and down added, of the administrator's adjustments of a wallet, less rejected ones."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"wallet": wallet_id, "asked_by": admin, "_id": {"$gte": first_id("adj", at=since)}}},
        {"$match": {"status": {"$ne": AdjustmentStatus.REJECTED.value}}},
        {"$group": {"_id": None, "amount": {"$sum": {"$abs": "$amount"}}}},
    ]
    cursor = await Adjustment.get_pymongo_collection().aggregate(
        pipeline, session=tx.session, hint="wallet_asked_by"
    )
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0
