"""Reading the inbox: what Stripe told, newest first, and what a person must look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.inbox.documents import EventStatus, Finding, FindingKind, WebhookEvent
from domain.kernel.database import Row, parse
from domain.kernel.ids import EPOCH, MILLISECOND
from domain.kernel.pages import Page, PageRequest, in_order

_MILLISECONDS_DIGITS_MAX: Final = 15


@dataclass(frozen=True, kw_only=True)
class EventSearch:
    """What is None does not narrow. `account`, `object_id`: Stripe's ids; `operation`: ours. Instants are
    excluded.
    """

    statuses: Sequence[EventStatus] | None = None
    types: Sequence[str] | None = None
    account: str | None = None
    object_id: str | None = None
    operation: str | None = None
    received_after: datetime | None = None
    received_before: datetime | None = None

    def criteria(self) -> dict[str, Any]:
        """As MongoDB is asked."""
        times = {"$gt": self.received_after, "$lt": self.received_before}
        within = {operator: instant for operator, instant in times.items() if instant is not None}
        fields = {
            "status": None if self.statuses is None else {"$in": [status.value for status in self.statuses]},
            "type": None if self.types is None else {"$in": list(self.types)},
            "account": self.account,
            "object_id": self.object_id,
            "operations": self.operation,
            "received_at": within or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


async def find(event_id: str) -> WebhookEvent | None:
    return (await find_many([event_id])).get(event_id)


async def find_many(event_ids: Sequence[str]) -> dict[str, WebhookEvent]:
    found = WebhookEvent.get_pymongo_collection().find({"_id": {"$in": list(event_ids)}}, {"body": 0})
    return {row["_id"]: _bodiless(row) async for row in found}


async def page(request: PageRequest, search: EventSearch) -> Page[WebhookEvent]:
    """Events, the last that came first. Cursors are `place`s."""
    found = await in_order(
        WebhookEvent.get_pymongo_collection(),
        search.criteria(),
        request,
        field="received_at",
        decode=_instant,
        falling=True,
        leaving_out=("body",),
    )
    return Page([_bodiless(row) for row in found.items], found.has_next_page, found.has_previous_page)


async def findings(request: PageRequest, *, kinds: Sequence[FindingKind] | None = None) -> Page[Finding]:
    """What a person must look at, the last that was found first. Cursors are `place`s."""
    found = await in_order(
        Finding.get_pymongo_collection(),
        {} if kinds is None else {"kind": {"$in": [kind.value for kind in kinds]}},
        request,
        field="found_at",
        decode=_instant,
        falling=True,
    )
    return Page([parse(Finding, row) for row in found.items], found.has_next_page, found.has_previous_page)


async def findings_in(event_ids: Sequence[str]) -> dict[str, Finding]:
    """What was found in events, by their ids: of most, nothing."""
    ids = [f"{FindingKind.UNMATCHED}:{event_id}" for event_id in event_ids]
    rows = Finding.get_pymongo_collection().find({"_id": {"$in": ids}})
    return {row["event_id"]: parse(Finding, row) async for row in rows}


def place(told: WebhookEvent | Finding) -> str:
    """Where it stands among all, for a cursor."""
    at = told.received_at if isinstance(told, WebhookEvent) else told.found_at
    return f"{(at - EPOCH) // MILLISECOND}:{told.id}"


def _instant(text: str) -> datetime:
    """Raises ValueError for what `place` never wrote."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MILLISECONDS_DIGITS_MAX):
        raise ValueError(text)
    try:
        return EPOCH + int(text) * MILLISECOND
    except OverflowError:
        raise ValueError(text) from None


def _bodiless(row: Row) -> WebhookEvent:
    """What was read without its body, which is sealed, and may be half a megabyte."""
    return parse(WebhookEvent, {**row, "body": b""})
