"""The inbox: store first, handle later. "Seen" never means "done": only PROCESSED is skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import structlog
from prometheus_client import Counter
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.inbox.documents import (
    OPEN_STATUSES,
    Endpoint,
    EventStatus,
    Finding,
    FindingKind,
    WebhookEvent,
)
from domain.kernel.alerts import alert
from domain.kernel.database import Tx, parse
from domain.kernel.due import claim_due
from domain.runtime import Runtime

_log = structlog.get_logger("inbox")
_EVENTS = Counter("jobsphere_webhook_events", "Stripe's events, by what became of them.", ["outcome"])


@dataclass(frozen=True)
class Handled:
    """What an event did, in a few words that are kept; `operations`: those that it was about, by their ids.

    One that told nothing new was about them all the same.
    """

    outcome: str
    operations: tuple[str, ...] = ()


async def store(runtime: Runtime, endpoint: Endpoint, event: Mapping[str, Any], body: bytes) -> bool:
    """Keep a verified event; False when it is here already. Once this returns, it cannot be lost."""
    now = runtime.now()
    document = WebhookEvent(
        id=event["id"],
        endpoint=endpoint,
        type=event["type"],
        account=event.get("account"),
        object_id=event["data"]["object"].get("id"),
        body=runtime.cipher.encrypt(body),
        received_at=now,
        # The bell is rung at once; the sweep comes only where it was not heard.
        next_attempt_at=now + runtime.policy.lease,
    )
    try:
        await document.insert()
    except DuplicateKeyError:
        _EVENTS.labels(outcome="duplicate").inc()
        return False
    _EVENTS.labels(outcome="stored").inc()
    return True


async def claim(runtime: Runtime, event_id: str) -> WebhookEvent | None:
    """The event, leased to the caller; None when it is done with or not there."""
    row = await WebhookEvent.get_pymongo_collection().find_one_and_update(
        {"_id": event_id, "status": {"$in": OPEN_STATUSES}},
        {"$set": {"next_attempt_at": runtime.now() + runtime.policy.lease}},
        return_document=ReturnDocument.AFTER,
    )
    return None if row is None else parse(WebhookEvent, row)


async def claim_next(runtime: Runtime) -> WebhookEvent | None:
    """The event that is due longest, leased to the caller."""
    row = await claim_due(
        WebhookEvent.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease
    )
    return None if row is None else parse(WebhookEvent, row)


def payload(runtime: Runtime, event: WebhookEvent) -> dict[str, Any]:
    """The event as Stripe sent it."""
    content: dict[str, Any] = orjson.loads(runtime.cipher.decrypt(event.body))
    return content


async def is_open(tx: Tx, event_id: str) -> bool:
    """Whether the event still waits for its effects, as this transaction sees it."""
    criteria = {"_id": event_id, "status": {"$in": OPEN_STATUSES}}
    row = await WebhookEvent.get_pymongo_collection().find_one(criteria, {"_id": 1}, session=tx.session)
    return row is not None


async def mark_done(tx: Tx, event_id: str, status: EventStatus, handled: Handled) -> None:
    """PROCESSED or IGNORED, in the transaction that wrote the effects."""
    await WebhookEvent.get_pymongo_collection().update_one(
        {"_id": event_id, "status": {"$in": OPEN_STATUSES}},
        {
            "$set": {
                "status": status.value,
                "outcome": handled.outcome,
                "operations": list(handled.operations),
                "processed_at": tx.now,
                "next_attempt_at": None,
                "error": None,
            },
            "$inc": {"attempts": 1},
        },
        session=tx.session,
    )


async def record_failure(runtime: Runtime, event: WebhookEvent, error: Exception) -> None:
    """FAILED until its next attempt, or DEAD and an alert when all are spent. A done event stays done."""
    delays = runtime.policy.webhook_retry_delays
    dead = event.attempts >= len(delays)
    status = EventStatus.DEAD if dead else EventStatus.FAILED
    due = None if dead else runtime.now() + delays[event.attempts]
    # The kind of error alone: a message may quote what must not be kept.
    written = await WebhookEvent.get_pymongo_collection().update_one(
        {"_id": event.id, "status": {"$in": OPEN_STATUSES}, "attempts": event.attempts},
        {
            "$set": {"status": status.value, "next_attempt_at": due, "error": type(error).__name__},
            "$inc": {"attempts": 1},
        },
    )
    if not written.modified_count:
        return
    _EVENTS.labels(outcome=status.value.lower()).inc()
    facts = {"event_id": event.id, "event_type": event.type}
    _log.warning("event failed", **facts, status=status.value, exc_info=error)
    if dead:
        alert("WEBHOOK_EVENT_DEAD", **facts)


async def postpone(runtime: Runtime, event: WebhookEvent, pause: timedelta) -> None:
    """Due again after `pause`, as if it had not been tried. A done event stays done."""
    await WebhookEvent.get_pymongo_collection().update_one(
        {"_id": event.id, "status": {"$in": OPEN_STATUSES}},
        {"$set": {"next_attempt_at": runtime.now() + pause}},
    )


async def record_unmatched(tx: Tx, event: WebhookEvent) -> Handled:
    """Money moved at Stripe, and nothing here knows of it: a person must look."""
    finding = Finding(
        id=f"{FindingKind.UNMATCHED}:{event.id}",
        kind=FindingKind.UNMATCHED,
        event_id=event.id,
        event_type=event.type,
        object_id=event.object_id,
        found_at=tx.now,
    )
    await finding.insert(session=tx.session)
    facts = {"event_id": event.id, "event_type": event.type, "object": event.object_id}
    tx.after_commit.append(partial(alert, "UNMATCHED_EVENT", **facts))
    return Handled("UNMATCHED")


async def record_finding(
    tx: Tx, kind: FindingKind, *, about: str, object_id: str | None, operation: str | None = None
) -> None:
    """Written once: with whatever makes sure that `about`, Stripe's id, is not found again."""
    finding = Finding(
        id=f"{kind}:{about}", kind=kind, object_id=object_id, operation=operation, found_at=tx.now
    )
    await finding.insert(session=tx.session)
