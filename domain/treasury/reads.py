"""Reading what became of Stripe's movements."""

from collections.abc import Sequence

from domain.kernel.database import parse
from domain.treasury.documents import Movement


async def find_movements(movement_ids: Sequence[str]) -> dict[str, Movement]:
    rows = Movement.get_pymongo_collection().find({"_id": {"$in": list(movement_ids)}})
    return {row["_id"]: parse(Movement, row) async for row in rows}
