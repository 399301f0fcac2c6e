"""Money in a queue, pure: unit k that came in is unit k that goes out.

A wallet's available money and an escrow's account are such queues. Nobody counts their units from the
first on: with the balance before an amount, its units are numbered from the other direction's place there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Units `start` to `end`, without `end`: of an amount from its 0 on, or as a queue numbers them."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def shifted(self, by: int) -> "Span":
        return Span(self.start + by, self.end + by)

    def mirrored(self) -> "Span":
        """The same units, counted the other way."""
        return Span(-self.end, -self.start)

    def common(self, other: "Span") -> "Span | None":
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None


class Units:
    """Some units of one amount: each is in it once."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    @property
    def count(self) -> int:
        return sum(span.size for span in self._spans)

    def add(self, span: Span) -> list[Span]:
        """What of `span` was not in it yet."""
        new, start = [], span.start
        for known in self._spans:
            if start < known.start and (gap := Span(start, known.start).common(span)):
                new.append(gap)
            start = max(start, known.end)
        if start < span.end:
            new.append(Span(start, span.end))
        self._spans = sorted([*self._spans, *new])
        return new


class Walk:
    """Goes along amounts that bear the numbers from 0 on, and picks the units whose numbers are wanted."""

    def __init__(self, wanted: Span) -> None:
        self._wanted = wanted
        self._number = 0

    @property
    def is_done(self) -> bool:
        return self._number >= self._wanted.end

    def take(self, amount: int) -> Span | None:
        """The wanted units of the next amount; None when there are none."""
        first, self._number = self._number, self._number + amount
        found = self._wanted.common(Span(first, self._number))
        return None if found is None else found.shifted(-first)


def across(amounts: Sequence[int], index: int, span: Span, others: Iterable[int]) -> list[tuple[int, Span]]:
    """Which units of `others` are the units `span` of `amounts[index]`: (index, units) of each.

    All that ever came into a queue, and all that left it, or the other way round.
    """
    walk = Walk(span.shifted(sum(amounts[:index])))
    passed = ((number, walk.take(amount)) for number, amount in enumerate(others))
    return [(number, units) for number, units in passed if units is not None]


@dataclass(frozen=True, slots=True)
class Undone:
    """The units `gone` of one amount are the units `back` of another, the last of them first."""

    went: int
    gone: Span
    came: int
    back: Span

    def across(self, span: Span) -> Span:
        """Units of one side as those of the other."""
        return span.mirrored().shifted(self.gone.end + self.back.start)


def undone(changes: Sequence[int]) -> list[Undone]:
    """Which of what went (above zero) came back (below zero), by index. What is told too early waits.

    What was taken last is given back first: for it is what was not there to be taken, if anything was not.
    """
    pairs: list[Undone] = []
    gone: list[tuple[int, Span]] = []
    early: list[tuple[int, Span]] = []
    for index, change in enumerate(changes):
        (gone if change > 0 else early).append((index, Span(0, abs(change))))
        while gone and early:
            (went, units), (came, back) = gone.pop(), early.pop(0)
            size = min(units.size, back.size)
            middle, end = units.end - size, back.start + size
            pairs.append(Undone(went, Span(middle, units.end), came, Span(back.start, end)))
            if units.start < middle:
                gone.append((went, Span(units.start, middle)))
            if end < back.end:
                early.insert(0, (came, Span(end, back.end)))
    return pairs


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement, as a queue sees it: `change` of the balance, signed, which was `before`."""

    seq: int
    ref: str
    change: int
    before: int
    at: datetime


@dataclass
class Search:
    """Looks for the units `span` of one line among the lines of the other sign.

    What came in is found in what left, and what left in what came in: behind and ahead of the line, for a
    balance below zero was spent before it came in. `is_over`: what was not found is still inside, or owed.
    """

    line: Line
    span: Span
    is_over: bool = False
    found: list[tuple[Line, Span]] = field(default_factory=list)

    def __post_init__(self) -> None:
        before = self.line.before
        wanted = self.span.shifted(before if self.line.change > 0 else -before)
        self._ahead, self._behind = Walk(wanted), Walk(wanted.mirrored())
        self._next, self._previous = self.line.seq + 1, self.line.seq - 1

    @property
    def missing(self) -> int:
        """How many units were not found yet."""
        return self.span.size - sum(units.size for _, units in self.found)

    def go_on(self, lines: Mapping[int, Line], last: int) -> int | None:
        """Walk as far as `lines` reach of those up to `last`: which one it lacks, None when it is over."""
        while self._previous >= 1 and not self._behind.is_done:
            if (line := lines.get(self._previous)) is None:
                return self._previous
            self._previous -= 1
            # Counted backwards, and so are its units.
            units = self._take(line, self._behind)
            if units is not None:
                self.found.append((line, units.mirrored().shifted(abs(line.change))))
        while self._next <= last and not self._ahead.is_done:
            if (line := lines.get(self._next)) is None:
                return self._next
            self._next += 1
            units = self._take(line, self._ahead)
            if units is not None:
                self.found.append((line, units))
        self.is_over = True
        return None

    def _take(self, line: Line, walk: Walk) -> Span | None:
        """Nothing of a line that leaves the balance as it is, or changes it the same way."""
        is_other = line.change * self.line.change < 0
        return walk.take(abs(line.change)) if is_other else None
