"""Reading movements of Stripe's balance: by what they are of, and by the entry that stands for them."""

from collections.abc import Sequence

from domain.kernel.database import parse
from domain.treasury.documents import Movement


async def find_by_stripe_id(stripe_id: str) -> Movement | None:
    """A balance transaction, or one whose source (a charge, transfer, refund, ...) it is: the first."""
    movements = Movement.get_pymongo_collection()
    row = await movements.find_one({"$or": [{"_id": stripe_id}, {"source": stripe_id}]}, sort=[("_id", 1)])
    return None if row is None else parse(Movement, row)


async def movements_of(entries: Sequence[str]) -> dict[str, Movement]:
    """By the ref of the entry that each was matched with; one that was not read yet is left out."""
    rows = Movement.get_pymongo_collection().find({"entry": {"$in": list(entries), "$gt": ""}})
    return {row["entry"]: parse(Movement, row) async for row in rows}


async def find_movements(movement_ids: Sequence[str]) -> dict[str, Movement]:
    rows = Movement.get_pymongo_collection().find({"_id": {"$in": list(movement_ids)}})
    return {row["_id"]: parse(Movement, row) async for row in rows}
