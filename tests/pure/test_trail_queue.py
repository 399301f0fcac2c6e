"""Every unit of a queue is accounted for once, whichever way it is followed: against counting one by one."""

from collections import defaultdict
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.trail.queue import Line, Search, Span, Units, across, undone

AT = datetime(2026, 1, 1, tzinfo=UTC)
# Small, so that amounts meet often; and 0, as of a line that moves only what is held.
changes = st.lists(st.integers(-12, 12), min_size=1, max_size=40)
Found = dict[tuple[int, int], set[int]]


def statement(amounts: list[int]) -> dict[int, Line]:
    lines, balance = {}, 0
    for seq, change in enumerate(amounts, start=1):
        lines[seq] = Line(seq, f"ref:{seq}", change, balance, AT)
        balance += change
    return lines


def one_by_one(amounts: list[int]) -> tuple[Found, Found]:
    """Unit k in is unit k out, said with lists: by (line, unit) the lines and units of the other side."""
    came: list[tuple[int, int]] = []
    left: list[tuple[int, int]] = []
    for seq, change in enumerate(amounts, start=1):
        (came if change > 0 else left).extend((seq, unit) for unit in range(abs(change)))
    forwards, backwards = defaultdict(set), defaultdict(set)
    for (in_line, in_unit), (out_line, out_unit) in zip(came, left, strict=False):
        forwards[in_line, out_line].add(out_unit)
        backwards[out_line, in_line].add(in_unit)
    return forwards, backwards


def searched(lines: dict[int, Line], search: Search, chunk: int) -> Search:
    """Given only the lines that it asks for, a few at a time."""
    given_lines: dict[int, Line] = {}
    while (lacks := search.go_on(given_lines, len(lines))) is not None:
        assert lacks not in given_lines
        first = (lacks - 1) // chunk * chunk + 1
        given_lines |= {seq: lines[seq] for seq in range(first, first + chunk) if seq in lines}
    return search


@given(changes, st.integers(1, 7))
def test_lines_find_each_other_as_if_units_were_counted_from_the_first(
    amounts: list[int], chunk: int
) -> None:
    lines = statement(amounts)
    forwards, backwards = one_by_one(amounts)
    parts: dict[tuple[int, int], int] = {}
    for seq, line in lines.items():
        if line.change == 0:
            continue
        search = searched(lines, Search(line, Span(0, abs(line.change))), chunk)
        expected = forwards if line.change > 0 else backwards
        told = {(seq, other.seq): set(range(units.start, units.end)) for other, units in search.found}
        assert told == {pair: units for pair, units in expected.items() if pair[0] == seq}
        found = sum(len(units) for units in told.values())
        # Its parts add up to it, but for what is still inside, or still owed.
        assert search.missing == abs(line.change) - found
        parts |= {pair: len(units) for pair, units in told.items()}
    assert all(parts.get((other, seq)) == size for (seq, other), size in parts.items())
    inside = sum(amounts)
    rests = {True: 0, False: 0}
    for line in lines.values():
        if line.change:
            rest = abs(line.change) - sum(size for (seq, _), size in parts.items() if seq == line.seq)
            rests[line.change > 0] += rest
    assert rests == {True: max(inside, 0), False: max(-inside, 0)}


@given(changes, st.data())
def test_a_part_of_a_line_finds_its_part(amounts: list[int], data: st.DataObject) -> None:
    lines = statement(amounts)
    moving = [line for line in lines.values() if line.change]
    if not moving:
        return
    line = data.draw(st.sampled_from(moving))
    cut = data.draw(st.integers(0, abs(line.change)))
    whole: dict[int, Units] = defaultdict(Units)
    for span in (Span(0, cut), Span(cut, abs(line.change))):
        if span.size:
            for other, units in searched(lines, Search(line, span), 3).found:
                # No unit twice.
                assert whole[other.seq].add(units) == [units]
    at_once = searched(lines, Search(line, Span(0, abs(line.change))), 3)
    assert {seq: units.count for seq, units in whole.items()} == {
        other.seq: units.size for other, units in at_once.found
    }


@given(
    st.lists(st.integers(1, 12), max_size=9),
    st.lists(st.integers(1, 12), max_size=9),
)
def test_what_is_known_wholly_is_matched_both_ways(came: list[int], left: list[int]) -> None:
    """An escrow's account, and a hold."""
    forwards = {
        (i, j): units.size
        for i, amount in enumerate(came)
        for j, units in across(came, i, Span(0, amount), left)
    }
    backwards = {
        (i, j): units.size
        for j, amount in enumerate(left)
        for i, units in across(left, j, Span(0, amount), came)
    }
    assert forwards == backwards
    assert sum(forwards.values()) == min(sum(came), sum(left))


@given(changes)
def test_what_went_last_comes_back_first(amounts: list[int]) -> None:
    """Against a pile of single units; what came back before it went is made good by what goes next."""
    pile: list[tuple[int, int]] = []
    early: list[tuple[int, int]] = []
    expected = set()
    for index, change in enumerate(amounts):
        for unit in range(abs(change)):
            (pile if change > 0 else early).append((index, unit))
        while pile and early:
            expected.add((pile.pop(), early.pop(0)))
    told = set()
    for pair in undone(amounts):
        for unit in range(pair.gone.start, pair.gone.end):
            other = pair.across(Span(unit, unit + 1))
            assert pair.across(other) == Span(unit, unit + 1)
            told.add(((pair.went, unit), (pair.came, other.start)))
    assert told == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10))))
def test_units_are_counted_once(spans: list[tuple[int, int]]) -> None:
    units, seen = Units(), set[int]()
    for start, size in spans:
        added = units.add(Span(start, start + size))
        told = [unit for span in added for unit in range(span.start, span.end)]
        assert sorted(told) == sorted(set(range(start, start + size)) - seen)
        seen |= set(told)
        assert units.count == len(seen)
