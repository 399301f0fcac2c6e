"""Connections by keyset: pages of rows in the order of one unique field, stable under inserts."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pymongo.asynchronous.collection import AsyncCollection

from domain.kernel.database import Row
from domain.kernel.errors import BadRequest

PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100

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
        raise BadRequest("This cursor is not one of ours.") from error


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
    try:
        bounds = {
            "$lt": None if request.after is None else decode(request.after),
            "$gt": None if request.before is None else decode(request.before),
        }
    except ValueError as error:
        raise BadRequest("This cursor is not one of ours.") from error
    bounds = {operator: value for operator, value in bounds.items() if value is not None}
    # Both at once, for `criteria` may bound the same field already.
    query = {"$and": [dict(criteria), {field: bounds}]} if bounds else dict(criteria)
    order = 1 if request.backward else -1
    # One row more than asked tells whether there are others behind.
    rows = await collection.find(query).sort(field, order).limit(request.size + 1).to_list()
    more, rows = len(rows) > request.size, rows[: request.size]
    if request.backward:
        return Page(rows[::-1], has_next_page=request.before is not None, has_previous_page=more)
    return Page(rows, has_next_page=more, has_previous_page=request.after is not None)
