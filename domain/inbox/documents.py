"""Stripe's events as they came, and what was found in them that nothing of ours explains."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.due import DUE_INDEX


class Endpoint(StrEnum):
    """Which of the two webhook routes an event came by; the same type can exist on both."""

    PLATFORM = "PLATFORM"
    CONNECT = "CONNECT"


class EventStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    IGNORED = "IGNORED"
    FAILED = "FAILED"
    DEAD = "DEAD"


def _latest_first(name: str, time: str, *fields: str, only_texts: bool = False) -> IndexModel:
    """Serves pages by `time` of what is equal in `fields`; `only_texts`: of what is null there, none."""
    equal = [(field, ASCENDING) for field in fields]
    options = {"partialFilterExpression": {fields[0]: {"$gt": ""}}} if only_texts else {}
    return IndexModel([*equal, (time, DESCENDING), ("_id", DESCENDING)], name=name, **options)


OPEN_STATUSES = (EventStatus.PENDING.value, EventStatus.FAILED.value)


class WebhookEvent(Document):
    """One event of Stripe's. `id` is Stripe's own; `body` the exact bytes that were signed, encrypted.

    `outcome`, `operations`: what it did, and the ids of the operations that it was about, see Handled.
    """

    id: str  # type: ignore[assignment]  # Stripe's id in place of an ObjectId
    endpoint: Endpoint
    type: str
    account: str | None
    object_id: str | None
    body: bytes
    status: EventStatus = EventStatus.PENDING
    attempts: int = 0
    received_at: datetime
    processed_at: datetime | None = None
    next_attempt_at: datetime | None
    error: str | None = None
    outcome: str | None = None
    operations: list[str] = Field(default_factory=list)

    class Settings:
        name = "webhook_events"
        indexes: ClassVar = [
            DUE_INDEX,
            _latest_first("received", "received_at"),
            _latest_first("status", "received_at", "status"),
            _latest_first("type", "received_at", "type"),
            _latest_first("account", "received_at", "account", only_texts=True),
            _latest_first("object", "received_at", "object_id", only_texts=True),
            _latest_first("operation", "received_at", "operations", only_texts=True),
        ]


class FindingKind(StrEnum):
    """What is wrong.

    UNMATCHED: an event about money whose operation is not here. UNEXPLAINED: a movement of Stripe's balance
    that nothing of ours caused. SETTLED_OTHERWISE: a deposit became another amount or currency there.
    PAYOUT_NOT_LINKED: a withdrawal was sent ten days ago, and no payout to a bank is known to cover it.
    """

    UNMATCHED = "UNMATCHED"
    UNEXPLAINED = "UNEXPLAINED"
    SETTLED_OTHERWISE = "SETTLED_OTHERWISE"
    PAYOUT_NOT_LINKED = "PAYOUT_NOT_LINKED"


class Finding(Document):
    """Something that a person must look at. `id` is made of what it is about: finding it twice is one.

    `object_id`: Stripe's, of what moved. `operation`: ours, where one is known. Nothing here ever changes.
    """

    id: str  # type: ignore[assignment]
    kind: FindingKind
    event_id: str | None = None
    event_type: str | None = None
    object_id: str | None
    operation: str | None = None
    found_at: datetime

    @property
    def about(self) -> str:
        """The id of what was found: an event's, a balance transaction's or an operation's."""
        return self.id.removeprefix(f"{self.kind}:")

    class Settings:
        name = "findings"
        indexes: ClassVar = [
            _latest_first("found", "found_at"),
            _latest_first("kind", "found_at", "kind"),
        ]
