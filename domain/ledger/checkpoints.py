"""Checkpoints: once a day the journal is counted, digested and signed, each time on top of the time before.

Entries are in the order of their ids, which carry the instant at which their transaction began. It may commit
150 s later (60 s until `transact` gives up, 90 s until MongoDB has ended what was begun). The cut lies five
minutes in the past: the clocks of processes may be two minutes apart. What turns up below it was put there.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import structlog
from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.kernel.database import Row
from domain.kernel.ids import first_id
from domain.kernel.signer import Signature, Signer
from domain.ledger.books import GENESIS, digest
from domain.ledger.documents import EntryRecord
from domain.runtime import Runtime

SETTLED: Final = timedelta(minutes=5)
"""No entry older than this can still appear."""
PREFIX: Final = "ent"
BATCH: Final = 5000
_log = structlog.get_logger("checkpoints")


class Checkpoint(Document):
    """What the journal held before `cut_at`: how many `entries`, the last of them, the digest of all.

    `id` is the UTC date of `made_at`. `previous` is the signature of the checkpoint before, or GENESIS.
    `signature` is over the digest of all other fields; `key` is the public key that it verifies with.
    """

    id: str  # type: ignore[assignment]
    cut_at: datetime
    entries: int
    last_entry: str | None
    digest: str
    previous: str
    made_at: datetime
    key: str
    signature: str

    class Settings:
        name = "checkpoints"
        # One successor each: a process that was paused over midnight makes no second branch.
        indexes: ClassVar = [IndexModel([("previous", ASCENDING)], unique=True, name="previous")]


class CheckpointUnsound(Exception):
    """The newest checkpoint was not made with a key that is known. Nothing is built on it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The journal up to some entry. The digest runs on from entry to entry, wherever checkpoints are cut."""

    entries: int = 0
    digest: str = GENESIS
    last_entry: str | None = None

    @classmethod
    def of(cls, checkpoint: Row) -> "Tally":
        return cls(checkpoint["entries"], checkpoint["digest"], checkpoint["last_entry"])

    def plus(self, entry: Row) -> "Tally":
        """`entry` needs no more than its `_id` and `hash`."""
        link = f"{self.digest}{entry.get('hash')}"
        return Tally(self.entries + 1, hashlib.sha256(link.encode()).hexdigest(), entry["_id"])


async def make_checkpoint(runtime: Runtime) -> None:
    """Today's checkpoint, unless it is there, from what came since the last. Safe to run twice at once.

    Raises CheckpointUnsound, and ValueError when CHECKPOINT_KEY cannot sign.
    """
    now = runtime.now()
    day = now.date().isoformat()
    last = await newest()
    if last is not None and not is_signed(last, runtime.signer):
        raise CheckpointUnsound(f"the checkpoint {last['_id']} is not signed with a key that is known")
    if last is not None and last["_id"] >= day:
        return
    await runtime.database.catch_up()
    cut_at = now - SETTLED if last is None else max(last["cut_at"], now - SETTLED)
    tally = await _counted(last, cut_at)
    statement = {
        "_id": day,
        "cut_at": cut_at,
        "entries": tally.entries,
        "last_entry": tally.last_entry,
        "digest": tally.digest,
        "previous": GENESIS if last is None else last["signature"],
        "made_at": now,
        "key": runtime.signer.key,
    }
    signature = runtime.signer.sign(signed_bytes(statement)).text
    try:
        await Checkpoint.get_pymongo_collection().insert_one({**statement, "signature": signature})
    except DuplicateKeyError:
        return  # another process was faster
    # Logs are kept elsewhere: they tell when the newest checkpoints are taken away, entries and all.
    # Not as `signature`: under that name they hide a secret.
    _log.info("checkpoint made", day=day, entries=tally.entries, digest=tally.digest, signed=signature)


async def newest() -> Row | None:
    criteria = {"_id": {"$type": "string"}}
    return await Checkpoint.get_pymongo_collection().find_one(criteria, sort=[("_id", DESCENDING)])


def is_signed(checkpoint: Row, signer: Signer) -> bool:
    """By a key that is known, over all that is stored there: a field too many is found as well."""
    statement = {name: value for name, value in checkpoint.items() if name != "signature"}
    signature = Signature(str(checkpoint.get("key")), str(checkpoint.get("signature")))
    try:
        return signer.verifies(signed_bytes(statement), signature)
    except TypeError:
        return False  # it holds what no checkpoint does


def signed_bytes(statement: dict[str, Any]) -> bytes:
    """What is signed of a checkpoint without its signature. Raises TypeError for what cannot be hashed."""
    return digest(statement).encode()


def cut_of(checkpoint: Row) -> str:
    """The entries up to the checkpoint are those whose ids are less."""
    return first_id(PREFIX, at=checkpoint["cut_at"])


async def _counted(last: Row | None, cut_at: datetime) -> Tally:
    """On from `last`, up to `cut_at`."""
    tally = Tally() if last is None else Tally.of(last)
    since = f"{PREFIX}_" if last is None else cut_of(last)
    entries = EntryRecord.get_pymongo_collection().find(
        {"_id": {"$gte": since, "$lt": first_id(PREFIX, at=cut_at)}}, {"hash": 1}, batch_size=BATCH
    )
    async for entry in entries.sort("_id", ASCENDING):
        tally = tally.plus(entry)
    return tally
