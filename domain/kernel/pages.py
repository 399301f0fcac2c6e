"""Connections by keyset: pages of rows in the order of one unique field, stable under inserts."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection

from domain.kernel.database import Row
from domain.kernel.errors import BadRequest

PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100
_FOREIGN: Final = "This cursor is not one of ours."

Item = TypeVar("Item")


@dataclass(frozen=True)
class PageRequest:
    """`size` rows after (or, `backward`, before) the row whose key is `key`; from the end when None."""

    size: int = PAGE_SIZE_DEFAULT
    after: str | None = None
    before: str | None = None
    backward: bool = False

    @classmethod
    def of(cls, first: int | None, after: str | None, last: int | None, before: str | None) -> "PageRequest":
        """Relay's arguments. Raises BadRequest: both directions, a size beyond 0 to 100, a foreign cursor."""
        if first is not None and last is not None:
            raise BadRequest("Ask for `first` or for `last`, not for both.")
        size = last if last is not None else first
        size = PAGE_SIZE_DEFAULT if size is None else size
        if not 0 <= size <= PAGE_SIZE_MAX:
            raise BadRequest(f"A page has 0 to {PAGE_SIZE_MAX} items.")
        return cls(
            size=size,
            after=None if after is None else decode_cursor(after),
            before=None if before is None else decode_cursor(before),
            backward=last is not None,
        )


@dataclass(frozen=True)
class Page(Generic[Item]):
    items: list[Item]
    has_next_page: bool
    has_previous_page: bool


def encode_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Raises BadRequest when `cursor` is not one of ours."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:  # not base64, not UTF-8, not even ASCII
        raise BadRequest(_FOREIGN) from error


async def newest_first(
    collection: AsyncCollection[Row],
    criteria: Mapping[str, Any],
    request: PageRequest,
    *,
    field: str = "_id",
    decode: Callable[[str], Any] = str,
) -> Page[Row]:
    """One page of `collection` by falling `field`, which is unique under `criteria` and served by an index.

    `decode` turns a cursor's text into a value of `field` and raises ValueError for what is none.
    """
    bounds = [
        {field: {operator: _decoded(decode, cursor)}}
        for operator, cursor in (("$lt", request.after), ("$gt", request.before))
        if cursor is not None
    ]
    return await _page(collection, [criteria, *bounds], request, [(field, DESCENDING)])


async def in_order(
    collection: AsyncCollection[Row],
    criteria: Mapping[str, Any],
    request: PageRequest,
    *,
    field: str,
    decode: Callable[[str], Any],
    falling: bool,
    leaving_out: Sequence[str] = (),
) -> Page[Row]:
    """One page of `collection` by `field`, and by id where that is the same: served by an index of both.

    Cursors are `<field>:<id>`; `decode` turns the first half into a value, as for `newest_first`.
    `leaving_out`: fields that are not read.
    """
    bounds: list[Mapping[str, Any]] = []
    for cursor, ahead in ((request.after, True), (request.before, False)):
        if cursor is not None:
            text, colon, row_id = cursor.partition(":")
            if not colon:
                raise BadRequest(_FOREIGN)
            value = _decoded(decode, text)
            less = ahead is falling
            bounds.append({field: {"$lte" if less else "$gte": value}})
            # Of those that share the value, what the page before has shown. No index is asked for these.
            bounds.append({"$nor": [{field: value, "_id": {"$gte" if less else "$lte": row_id}}]})
    direction = DESCENDING if falling else ASCENDING
    order = [(field, direction), ("_id", direction)]
    return await _page(collection, [criteria, *bounds], request, order, leaving_out)


async def _page(
    collection: AsyncCollection[Row],
    conditions: Sequence[Mapping[str, Any]],
    request: PageRequest,
    order: Sequence[tuple[str, int]],
    leaving_out: Sequence[str] = (),
) -> Page[Row]:
    """`conditions` all hold: several may bound the same field."""
    query = {"$and": list(conditions)} if len(conditions) > 1 else conditions[0]
    turn = -1 if request.backward else 1
    fields = dict.fromkeys(leaving_out, 0) or None
    found = collection.find(query, fields).sort([(field, turn * direction) for field, direction in order])
    # One row more than asked tells whether there are others behind.
    rows = await found.limit(request.size + 1).to_list()
    more, rows = len(rows) > request.size, rows[: request.size]
    if request.backward:
        return Page(rows[::-1], has_next_page=request.before is not None, has_previous_page=more)
    return Page(rows, has_next_page=more, has_previous_page=request.after is not None)


def _decoded(decode: Callable[[str], Any], text: str) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        raise BadRequest(_FOREIGN) from error
