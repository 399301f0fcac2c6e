"""Stripe's events as they came: stored before they are answered, kept until they are done."""

from domain.inbox.documents import Endpoint, EventStatus, Finding, FindingKind, WebhookEvent
from domain.inbox.service import (
    claim,
    claim_next,
    is_open,
    mark_done,
    payload,
    postpone,
    record_failure,
    record_finding,
    record_unmatched,
    store,
)

DOCUMENTS = (WebhookEvent, Finding)

__all__ = [
    "DOCUMENTS",
    "Endpoint",
    "EventStatus",
    "Finding",
    "FindingKind",
    "WebhookEvent",
    "claim",
    "claim_next",
    "is_open",
    "mark_done",
    "payload",
    "postpone",
    "record_failure",
    "record_finding",
    "record_unmatched",
    "store",
]
