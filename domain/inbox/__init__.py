"""Stripe's events as they came: stored before they are answered, kept until they are done."""

from domain.inbox.documents import Endpoint, EventStatus, Finding, FindingKind, WebhookEvent
from domain.inbox.reads import EventSearch, find, find_many, findings, findings_in, page, place
from domain.inbox.service import (
    Handled,
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
    "EventSearch",
    "EventStatus",
    "Finding",
    "FindingKind",
    "Handled",
    "WebhookEvent",
    "claim",
    "claim_next",
    "find",
    "find_many",
    "findings",
    "findings_in",
    "is_open",
    "mark_done",
    "page",
    "payload",
    "place",
    "postpone",
    "record_failure",
    "record_finding",
    "record_unmatched",
    "store",
]
