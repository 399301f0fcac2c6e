"""What an operator's search becomes: bounds of ids for times, fields for the rest; and every noun's shape."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.kernel.clock import cut
from domain.kernel.ids import EPOCH, first_id, last_id, new_id
from domain.kernel.search import Search
from resolvers.operations import NOUNS
from schema import operations

INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the zone stands beside it
    max_value=datetime(9999, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
    timezones=st.just(UTC),
)
NEAR = st.integers(min_value=-3000, max_value=3000).map(lambda us: timedelta(microseconds=us))


def holds(bounds: dict[str, str], identifier: str) -> bool:
    tests = {"$gt": identifier.__gt__, "$lte": identifier.__le__}
    return all(tests[operator](bound) for operator, bound in bounds.items())


@given(made=INSTANTS, drift=NEAR)
@example(made=EPOCH, drift=timedelta())
@example(made=EPOCH + timedelta(milliseconds=1), drift=timedelta(microseconds=-500))
@example(made=datetime(2026, 1, 1, tzinfo=UTC), drift=timedelta(microseconds=500))
def test_a_time_bounds_ids_exactly(made: datetime, drift: timedelta) -> None:
    made = cut(made)
    try:
        bound = made + drift
    except OverflowError:
        return
    for identifier in (first_id("dep", at=made), new_id("dep", at=made), last_id("dep", at=made)):
        after = Search(created_after=bound).criteria("dep")["_id"]
        assert holds(after, identifier) == (made > max(bound, EPOCH))
        before = Search(created_before=bound).criteria("dep")["_id"]
        assert holds(before, identifier) == (made < max(bound, EPOCH + timedelta.resolution))


@pytest.mark.parametrize("edge", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_no_instant_is_too_early_or_too_late(edge: datetime) -> None:
    criteria = Search(created_after=edge, created_before=edge).criteria("dep")
    assert set(criteria["_id"]) == {"$gt", "$lte"}


@pytest.mark.parametrize(
    ("search", "criteria"),
    [
        (Search(), {}),
        (Search(person="usr_1"), {"$or": [{"owner": "usr_1"}, {"contractor": "usr_1"}]}),
        (Search(currency="USD", amount_min=0), {"currency": "USD", "price": {"$gte": 0}}),
        (Search(amount_min=1, amount_max=5), {"price": {"$gte": 1, "$lte": 5}}),
    ],
)
def test_what_is_none_does_not_narrow(search: Search, criteria: dict[str, Any]) -> None:
    assert search.criteria("esc", people=("owner", "contractor"), amount="price") == criteria


def test_one_person_is_one_field() -> None:
    assert Search(person="usr_1").criteria("dep") == {"owner": "usr_1"}


def test_every_noun_of_operations_has_a_shape() -> None:
    assert set(operations.SHAPES) == set(NOUNS)
