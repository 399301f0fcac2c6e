"""The part of the books that a trail looks at: read by index, many at once, remembered, and bounded."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from domain import ledger
from domain.kernel.database import Row
from domain.ledger import EntryRecord, Wallet
from domain.trail.flows import Passages
from domain.trail.queue import Line, Search

# Of statement lines that one trail reads, a chunk at a time; of entries; of postings that it consists of.
LINES_MAX: Final = 10_000
ENTRIES_MAX: Final = 4_000
PARCELS_MAX: Final = 250
CHUNK: Final = 100
_CHUNKS_AT_ONCE: Final = 40
_OPERATIONS_AT_ONCE: Final = 30
_STRIDE_MAX: Final = 16
_PROBES: Final = 15
# More than any wallet needs: 15 probes a round leave a sixteenth.
_ROUNDS_MAX: Final = 16

Wanted = tuple[str, str, datetime]
"""A line by its wallet and its entry: the wallet's id, the entry's ref and when it was made."""


class Books:
    def __init__(self) -> None:
        self.entries: dict[str, EntryRecord] = {}
        self.wallets: dict[str, Wallet] = {}
        self._passages: dict[str, Passages] = {}
        self._lines: defaultdict[str, dict[int, Line]] = defaultdict(dict)
        self._seqs: dict[tuple[str, str], int] = {}

    @property
    def _lines_read(self) -> int:
        return sum(len(lines) for lines in self._lines.values())

    def passages(self, operation: str) -> Passages | None:
        """The ways through the operation; None where it was not read, being beyond the limits."""
        return self._passages.get(operation)

    def of(self, operation: str) -> Sequence[EntryRecord]:
        """What is booked under it, in the order of making, as far as it was read."""
        passages = self.passages(operation)
        return () if passages is None else passages.entries

    async def read_entries(self, refs: Iterable[str]) -> None:
        """As they are; one that is not there stays away."""
        missing = {ref for ref in refs if ref not in self.entries}
        if missing:
            for entry in await ledger.entries_with(sorted(missing)):
                self.entries[entry.ref] = entry

    async def read_operations(self, operations: Iterable[str]) -> None:
        """Each wholly, or not at all."""
        missing = sorted({operation for operation in operations if operation not in self._passages})
        while missing and len(self.entries) < ENTRIES_MAX:
            some, missing = missing[:_OPERATIONS_AT_ONCE], missing[_OPERATIONS_AT_ONCE:]
            found = await ledger.entries_of_all(some, limit=ENTRIES_MAX + 1)
            if len(found) > ENTRIES_MAX:
                continue
            of: dict[str, list[EntryRecord]] = {operation: [] for operation in some}
            for entry in found:
                self.entries[entry.ref] = entry
                of[entry.operation].append(entry)
            self._passages |= {operation: Passages(entries) for operation, entries in of.items()}

    async def read_wallets(self, wallet_ids: Collection[str]) -> None:
        """Anew: as long as they are now, they have the lines of every entry that was read."""
        if wallet_ids:
            self.wallets |= await ledger.find_wallets(sorted(wallet_ids))

    async def find_lines(self, wanted: Sequence[Wanted]) -> dict[tuple[str, str], Line]:
        """By wallet and ref; one that is beyond the limits is left out.

        No index leads from an entry to its lines, but their times never run backwards.
        """
        lowest = await self._bisect([one for one in wanted if one[:2] not in self._seqs])
        while lowest and self._lines_read < LINES_MAX:
            await self._read_chunks({(wallet, seq) for (wallet, _), seq in lowest.items()})
            lowest = {
                (wallet, ref): _first_of(_chunk_of(seq) + 1)
                for (wallet, ref), seq in lowest.items()
                if (wallet, ref) not in self._seqs and _chunk_of(seq) < _chunk_of(self.wallets[wallet].seq)
            }
        places = {one[:2]: self._seqs[one[:2]] for one in wanted if one[:2] in self._seqs}
        return {(wallet, ref): self._lines[wallet][seq] for (wallet, ref), seq in places.items()}

    async def search(self, searches: Sequence[tuple[str, Search]]) -> None:
        """Let each walk along its wallet, all of them at once, until it is over or nothing more is read.

        What has found more than a trail can have looks no further; who goes far reads more at once.
        """
        going, stride = list(searches), 1
        while going:
            lacking = []
            for wallet, search in going:
                seq = search.go_on(self._lines[wallet], self.wallets[wallet].seq)
                if seq is not None and len(search.found) <= PARCELS_MAX:
                    lacking.append((wallet, search, seq))
            before = self._lines_read
            await self._read_chunks(
                {
                    (wallet, place)
                    for wallet, search, seq in lacking
                    for place in _onwards(search.line.seq, seq, stride)
                    if 1 <= place <= self.wallets[wallet].seq
                }
            )
            stride = min(stride * 2, _STRIDE_MAX)
            # Nothing more is read; or a line is not there that must be, of which the books' proof will speak.
            if before == self._lines_read:
                return
            going = [(wallet, search) for wallet, search, _ in lacking]

    async def _bisect(self, wanted: Sequence[Wanted]) -> dict[tuple[str, str], int]:
        """For each a number at or before its line, within a chunk of the first line of its time."""
        bounds = {(wallet, ref): (1, self.wallets[wallet].seq) for wallet, ref, _ in wanted}
        at = {(wallet, ref): instant for wallet, ref, instant in wanted}
        for _ in range(_ROUNDS_MAX):
            wide = {key: bound for key, bound in bounds.items() if bound[1] - bound[0] >= CHUNK}
            if not wide:
                break
            probes = {key: _between(*bound) for key, bound in wide.items()}
            times = await ledger.line_times([(key[0], seq) for key, seqs in probes.items() for seq in seqs])
            for key, (low, high) in wide.items():
                told = [(seq, times[key[0], seq]) for seq in probes[key] if (key[0], seq) in times]
                bounds[key] = (
                    max([low, *(seq + 1 for seq, time in told if time < at[key])]),
                    min([high, *(seq for seq, time in told if time >= at[key])]),
                )
        return {key: low for key, (low, _) in bounds.items()}

    async def _read_chunks(self, places: Collection[tuple[str, int]]) -> None:
        chunks = {(wallet, _chunk_of(seq)) for wallet, seq in places}
        ranges = [(wallet, _first_of(chunk), _first_of(chunk + 1) - 1) for wallet, chunk in sorted(chunks)]
        while ranges and self._lines_read < LINES_MAX:
            some, ranges = ranges[:_CHUNKS_AT_ONCE], ranges[_CHUNKS_AT_ONCE:]
            self._remember(await ledger.lines_between(some))

    def _remember(self, rows: Sequence[Row]) -> None:
        for row in rows:
            wallet, seq = row["_id"]["w"], row["_id"]["s"]
            before = row["available_after"] - row["available_delta"]
            self._lines[wallet][seq] = Line(
                seq, row["ref"], row["available_delta"], before, row["created_at"]
            )
            self._seqs[wallet, row["ref"]] = seq


def _onwards(start: int, seq: int, chunks: int) -> list[int]:
    """`seq`, and a number in each of the chunks after it, going away from `start`."""
    step = CHUNK if seq > start else -CHUNK
    return [seq + step * number for number in range(chunks)]


def _chunk_of(seq: int) -> int:
    return (seq - 1) // CHUNK


def _first_of(chunk: int) -> int:
    return chunk * CHUNK + 1


def _between(low: int, high: int) -> list[int]:
    step = max((high - low) // (_PROBES + 1), 1)
    return list(range(low + step, high, step))
