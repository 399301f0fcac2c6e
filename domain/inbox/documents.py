"""Stripe's events as they came, and what was found in them that nothing of ours explains."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from beanie import Document

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


OPEN_STATUSES = (EventStatus.PENDING.value, EventStatus.FAILED.value)


class WebhookEvent(Document):
    """One event of Stripe's. `id` is Stripe's own; `body` the exact bytes that were signed, encrypted."""

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

    class Settings:
        name = "webhook_events"
        indexes: ClassVar = [DUE_INDEX]


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
    """Something that a person must look at. `id` is made of what it is about: finding it twice is one."""

    id: str  # type: ignore[assignment]
    kind: FindingKind
    event_id: str | None = None
    event_type: str | None = None
    object_id: str | None
    found_at: datetime

    class Settings:
        name = "findings"
