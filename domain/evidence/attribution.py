"""Whose money is it? Pure: which credits of a wallet a debit has spent, the oldest money first.

Money in a wallet bears no name. First in, first out is a convention, and a simple one: what a wallet holds at
any time are the last units that came in. So the lines around the job's will do, and none from the beginning.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Money that a job was paid with, or money that it paid."""

    IN = "IN"
    OUT = "OUT"


@dataclass(frozen=True, slots=True)
class Step:
    """Line `seq` of a wallet: `delta` is what it did to what was available before, minor units."""

    seq: int
    operation: str
    before: int
    delta: int


@dataclass(frozen=True, slots=True)
class Share:
    """`amount` (> 0) of the line `credit` was spent by the line `debit`.

    Without a debit it is in the wallet still; without a credit it came before what was read.
    """

    direction: Direction
    credit: Step | None
    debit: Step | None
    amount: int


def trace(steps: Sequence[Step], job: Set[str]) -> list[Share]:
    """How the money of the operations `job` came into the wallet, and how it left again.

    `steps`: the wallet's lines in order, without a gap. What an operation took and gave back is followed on:
    a withdrawal that failed, an escrow of another job that was refunded.
    """
    return _Purse(steps, job).shares()


class _Purse:
    """One walk over a wallet's lines. `_waiting`: units of a line that are still to be followed."""

    def __init__(self, steps: Sequence[Step], job: Set[str]) -> None:
        self._steps = steps
        self._job = job
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        self._followed: Counter[int] = Counter()
        self._waiting: deque[tuple[int, int, int]] = deque()
        for place, step in enumerate(steps):
            self._places[step.operation].append(place)
            if step.operation in job and step.delta:
                self._waiting.append((place, 0, abs(step.delta)))

    def shares(self) -> list[Share]:
        found: list[Share] = []
        while self._waiting:
            place, low, high = self._waiting.popleft()
            follow = self._sources if self._steps[place].delta < 0 else self._uses
            found += follow(place, low, high)
        return found

    def _sources(self, debit: int, low: int, high: int) -> Iterator[Share]:
        """Where the units from `low` to `high` came from, of those that the step at `debit` took."""
        step = self._steps[debit]
        # Counted backwards from the newest unit that was in the wallet.
        nearest, farthest = max(step.before - high, 0), max(step.before - low, 0)
        missing, seen = farthest - nearest, 0
        for place in range(debit - 1, -1, -1):
            if seen >= farthest:
                break
            credit = self._steps[place]
            if credit.delta <= 0:
                continue
            part = min(seen + credit.delta, farthest) - max(seen, nearest)
            seen += credit.delta
            if part > 0:
                missing -= part
                yield Share(Direction.IN, credit, step, part)
                self._follow_what_had_left(place, part)
        if missing > 0:
            yield Share(Direction.IN, None, step, missing)

    def _uses(self, credit: int, low: int, high: int) -> Iterator[Share]:
        """What became of the units from `low` to `high`, of those that the step at `credit` brought."""
        step = self._steps[credit]
        # Counted in what is spent from here on; below zero, it paid what the wallet owed.
        nearest, farthest = max(step.before + low, 0), max(step.before + high, 0)
        left, spent = farthest - nearest, 0
        for place in range(credit + 1, len(self._steps)):
            if spent >= farthest:
                break
            debit = self._steps[place]
            if debit.delta >= 0:
                continue
            part = min(spent - debit.delta, farthest) - max(spent, nearest)
            spent -= debit.delta
            if part > 0:
                left -= part
                yield Share(Direction.OUT, step, debit, part)
                self._follow_what_came_back(place, part)
        if left > 0:
            yield Share(Direction.OUT, step, None, left)

    def _follow_what_had_left(self, credit: int, part: int) -> None:
        """A credit by which an operation gives back what it took before: where did that come from?"""
        for place in reversed(self._others(credit)):
            if part > 0 and place < credit and self._steps[place].delta < 0:
                part -= self._follow(place, part)

    def _follow_what_came_back(self, debit: int, part: int) -> None:
        """What came back of the `part` that the step at `debit` took away, and was used again."""
        for place in self._others(debit):
            if part > 0 and place > debit and self._steps[place].delta > 0:
                part -= self._follow(place, part)

    def _others(self, place: int) -> list[int]:
        """The lines of the same operation; of the job's own, each is followed for itself."""
        operation = self._steps[place].operation
        return [] if operation in self._job else self._places[operation]

    def _follow(self, place: int, part: int) -> int:
        """Up to `part` more units of the step, which nobody has followed yet; how many there were."""
        first = self._followed[place]
        more = min(part, abs(self._steps[place].delta) - first)
        if more > 0:
            self._followed[place] += more
            self._waiting.append((place, first, first + more))
        return max(more, 0)
