"""Invariant 10, in one pass along the journal: every checkpoint holds for the entries that it speaks of."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from domain.kernel.clock import iso
from domain.kernel.database import Row
from domain.kernel.ids import first_id, made_at
from domain.kernel.signer import Signer
from domain.ledger.books import GENESIS, Entry
from domain.ledger.checkpoints import PREFIX, Checkpoint, Tally, cut_of, is_signed
from domain.ledger.walk import Expect

STRAY_MAX: Final = timedelta(days=2)
"""An entry that is older is under a checkpoint; none is dated further ahead."""
OWN_TIME: Final = timedelta(minutes=1)
"""The instants of an entry's id and of the entry lie this close together."""


class Chain:
    """Is shown every entry, in the order of `_id`, and holds each checkpoint against those before its cut.

    What is wrong is told of the first checkpoint that it lies under: the next is counted on from that one.
    """

    def __init__(self, expect: Expect, checkpoints: list[Row]) -> None:
        """`checkpoints`: signed ones, in order."""
        self.newest = checkpoints[-1] if checkpoints else None
        self._expect = expect
        self._cuts = deque((cut_of(checkpoint), checkpoint) for checkpoint in checkpoints)
        self._covered = cut_of(self.newest) if self.newest is not None else f"{PREFIX}_"
        self._tally = Tally()
        self._first_beyond: str | None = None

    def follow(self, entry: Row) -> None:
        entry_id = entry["_id"]
        # What has no such id is not counted by a checkpoint either: it is reported as no entry.
        if not isinstance(entry_id, str) or entry_id < f"{PREFIX}_":
            return
        while self._cuts and entry_id >= self._cuts[0][0]:
            self._settle(self._cuts.popleft()[1])
        self._tally = self._tally.plus(entry)
        if self._first_beyond is None and entry_id >= self._covered:
            self._first_beyond = entry_id

    def end(self, now: datetime) -> None:
        """After the last entry. `now`: the instant before the first was read."""
        while self._cuts:
            self._settle(self._cuts.popleft()[1])
        beyond = self._first_beyond
        if beyond is not None and beyond < first_id(PREFIX, at=now - STRAY_MAX):
            last = None if self.newest is None else self.newest["_id"]
            self._expect("10 a checkpoint is made every day", beyond, "one that covers it", last)

    def _settle(self, checkpoint: Row) -> None:
        day, said = checkpoint["_id"], Tally.of(checkpoint)
        self._expect("10 checkpoint counts its entries", day, said.entries, self._tally.entries)
        self._expect("10 checkpoint digests its entries", day, said.digest, self._tally.digest)
        self._tally = said


async def read_chain(expect: Expect, signer: Signer) -> Chain:
    """The checkpoints that are signed and follow each other; what is wrong with others is told."""
    signed: list[Row] = []
    before = GENESIS
    async for checkpoint in Checkpoint.get_pymongo_collection().find({}).sort("_id", 1):
        day = str(checkpoint["_id"])
        if is_signed(checkpoint, signer):
            expect("10 checkpoint follows the one before", day, before, checkpoint["previous"])
            signed.append(checkpoint)
        elif checkpoint.get("key") in signer.known_keys:
            expect("10 checkpoint signature", day, "one over what is there", checkpoint.get("signature"))
        else:
            known = f"one of {', '.join(signer.known_keys)}"
            expect("10 checkpoint key is known", day, known, checkpoint.get("key"))
        before = str(checkpoint.get("signature"))
    return Chain(expect, signed)


def stray(entry: Entry, *, now: datetime) -> str | None:
    """What is wrong with the instant in its id: the entry's place under the checkpoints hangs on it."""
    instant = made_at(PREFIX, entry.id)
    if abs(instant - entry.created_at) > OWN_TIME:
        return f"an id of {iso(instant)} on what was made at {iso(entry.created_at)}"
    if instant > now + STRAY_MAX:
        return f"made at {iso(instant)}"
    return None
