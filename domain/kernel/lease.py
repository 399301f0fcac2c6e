"""A named lease: at most one process at a time does a thing, and a dead one is succeeded."""

from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from domain.kernel.database import Database

COLLECTION: Final = "leases"


async def hold(database: Database, name: str, *, holder: str, now: datetime, lease: timedelta) -> bool:
    """Take or renew the lease `name`; False while another holder's has not run out."""
    leases = database.mongo[COLLECTION]
    mine = {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]}
    update = {"$set": {"holder": holder, "until": now + lease}}
    try:
        await leases.update_one(mine, update, upsert=True)
    except DuplicateKeyError:
        # It is there: another holder's, or made this very moment by a task of our own.
        return (await leases.update_one(mine, update)).matched_count == 1
    return True


async def release(database: Database, name: str, *, holder: str) -> None:
    """Give it back at once, so that a successor need not wait for its end."""
    await database.mongo[COLLECTION].delete_one({"_id": name, "holder": holder})
