"""What nobody knows: money that may have been sent, and may not."""

from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.sending.documents import Sending, Stage

IN_DOUBT: Final = (Stage.UNCONFIRMED.value, Stage.NEEDS_REVIEW.value)


async def in_doubt(model: type[Sending[Any]], currency: str, session: AsyncClientSession) -> int:
    """Minor units of those that Stripe may or may not have been made to send."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": IN_DOUBT}, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
    ]
    # Never by the currency: that is also what was done long ago.
    cursor = await model.get_pymongo_collection().aggregate(pipeline, session=session, hint="status")
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0
