"""Where entries stand in the journal: under which signed checkpoint, and by which hashes that is shown."""

from typing import Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.evidence.telling import Facts, plain
from domain.kernel.database import Row
from domain.ledger import Checkpoint, EntryRecord, Tally, cut_of

HASHES_MAX: Final = 200_000
"""Of all days together: 13 MB. What is beyond has its checkpoint, and no proof that it is under it."""
_FIRST: Final = "ent_"


async def places(session: AsyncClientSession, entry_ids: list[str]) -> list[Facts]:
    """The checkpoints that are the first to cover some of `entry_ids` (sorted), each with its proof.

    The journal's digest runs on from hash to hash. `digest_before` is what it was before the first of the
    entries, `hashes` are those from there up to the checkpoint: they lead to the digest that is signed.
    """
    found: list[Facts] = []
    hashes_left, waiting, before = HASHES_MAX, list(entry_ids), None
    checkpoints = Checkpoint.get_pymongo_collection().find({"_id": {"$type": "string"}}, session=session)
    async for checkpoint in checkpoints.sort("_id", 1):
        cut = cut_of(checkpoint)
        covered = [entry_id for entry_id in waiting if entry_id < cut]
        waiting = waiting[len(covered) :]
        if covered:
            counted = checkpoint["entries"] - (0 if before is None else before["entries"])
            hashes_left -= counted
            proof = None if hashes_left < 0 else await _proof(session, before, cut, covered[0])
            digest_before, hashes = (None, None) if proof is None else proof
            found.append(
                {
                    "id": checkpoint["_id"],
                    "checkpoint": plain(checkpoint),
                    "digest_before": digest_before,
                    "hashes": hashes,
                }
            )
        before = checkpoint
        if not waiting:
            break
    return found


async def _proof(
    session: AsyncClientSession, before: Row | None, cut: str, first: str
) -> tuple[str, list[str]]:
    """The digest up to `first`, from the checkpoint `before` on; and the hashes from there up to `cut`."""
    tally = Tally() if before is None else Tally.of(before)
    since = _FIRST if before is None else cut_of(before)
    entries = EntryRecord.get_pymongo_collection().find(
        {"_id": {"$gte": since, "$lt": cut}}, {"hash": 1}, session=session, batch_size=5000
    )
    hashes: list[str] = []
    async for entry in entries.sort("_id", 1):
        if entry["_id"] < first:
            tally = tally.plus(entry)
        else:
            hashes.append(entry["hash"])
    return tally.digest, hashes
