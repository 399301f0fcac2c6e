"""Due work: what carries `next_attempt_at` is claimed by moving it one lease ahead. MongoDB is the queue."""

from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from domain.kernel.database import Row

DUE_INDEX = IndexModel(
    [("next_attempt_at", ASCENDING)],
    name="due",
    # What is settled has null there, and stays out of the index.
    partialFilterExpression={"next_attempt_at": {"$type": "date"}},
)


async def claim_due(
    collection: AsyncCollection[Row],
    *,
    now: datetime,
    lease: timedelta,
    criteria: dict[str, Any] | None = None,
) -> Row | None:
    """The row that is due longest, now due again in one lease: a worker that dies gives it back. Or None."""
    return await collection.find_one_and_update(
        {"next_attempt_at": {"$type": "date", "$lte": now}, **(criteria or {})},
        {"$set": {"next_attempt_at": now + lease}},
        sort=[("next_attempt_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
