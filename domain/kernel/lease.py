"""A named lease: at most one process at a time does a thing, and a dead one is succeeded."""

from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from domain.kernel.database import Database

COLLECTION: Final = "leases"


async def hold(database: Database, name: str, *, holder: str, now: datetime, lease: timedelta) -> bool:
    """Take or renew the lease `name`; False while another holder's has not run out."""
    try:
        await database.mongo[COLLECTION].update_one(
            {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]},
            {"$set": {"holder": holder, "until": now + lease}},
            upsert=True,
        )
    except DuplicateKeyError:  # the lease is there, and neither ours nor over
        return False
    return True


async def release(database: Database, name: str, *, holder: str) -> None:
    """Give it back at once, so that a successor need not wait for its end."""
    await database.mongo[COLLECTION].delete_one({"_id": name, "holder": holder})
