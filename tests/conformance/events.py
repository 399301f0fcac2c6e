"""What is delivered to the webhooks: a signed event of a known type around the object that it is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.dialect import inspect
from tests.conformance.exchange import Violation, located
from tests.conformance.expansion import check_given
from tests.conformance.spec import PINNED_VERSION, Schema, event_types, resources

USER_AGENT = "Stripe/"
"""How Stripe's deliveries introduce themselves; requests without it are a test's own."""

_EVENT: Schema = {"$ref": "#/components/schemas/event"}
_SIGNATURE = re.compile(r"t=\d+(,v[01]=[0-9a-f]{64})+")
_SUBJECTS = {  # where the type does not begin with the tag of its object
    "account.application": {"application"},
    "account.external_account": {"bank_account", "card"},
    "charge.dispute": {"dispute"},
    "charge.refund": {"refund"},
}


def check_event(raw_body: bytes, headers: Mapping[str, str]) -> list[Violation]:
    """Everything that is wrong with one delivery; whether the signature is right is for the receiver."""
    try:
        event = json.loads(raw_body)
    except ValueError as error:
        return [Violation("delivery", "body", f"is not JSON: {error}")]
    given = {name.lower(): value for name, value in headers.items()}
    findings = located(_name(event), "event", inspect(event, _EVENT).findings)
    return [*_check_headers(_name(event), given), *findings, *check_payload(event)]


def type_of(raw_body: bytes) -> str:
    """The event's type, or nothing where the body is no event."""
    try:
        event = json.loads(raw_body)
    except ValueError:
        return ""
    return str(event.get("type", "")) if isinstance(event, dict) else ""


def check_payload(event: object) -> Iterator[Violation]:
    """The parts of an event that its own schema leaves open: its type, its version and its data."""
    where = _name(event)
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return
    if event.get("type") not in event_types():
        yield Violation(where, "event.type", "is not a type that an endpoint can subscribe to")
    version = event.get("api_version")
    if version != PINNED_VERSION:
        yield Violation(where, "event.api_version", f"is {version!r}, expected {PINNED_VERSION!r}")
    yield from _check_data(where, event["data"], tags=_subjects(str(event.get("type"))))


def _check_data(where: str, data: dict[str, Any], *, tags: set[str]) -> Iterator[Violation]:
    subject = data.get("object")
    tag = str(subject.get("object")) if isinstance(subject, dict) else ""
    candidates = resources(tag)
    if not candidates:
        yield Violation(where, "event.data.object", "has no tag that the specification knows")
        return
    if tags and tag not in tags:
        yield Violation(where, "event.data.object", f"is a {tag}, expected {' or '.join(sorted(tags))}")
    schema: Schema = {"anyOf": list(candidates)}
    inspection = inspect(subject, schema)
    findings = [*inspection.findings, *check_given(inspection, asked=())]
    yield from located(where, "event.data.object", findings)
    before = inspect(data.get("previous_attributes", {}), schema, partial=True)
    yield from located(where, "event.data.previous_attributes", before.findings)


def _subjects(event_type: str) -> set[str]:
    """The tags of objects that events of this type are about; empty where the type does not tell."""
    noun = event_type.rpartition(".")[0]
    return _SUBJECTS.get(noun, {noun} if resources(noun) else set())


def _check_headers(where: str, headers: Mapping[str, str]) -> Iterator[Violation]:
    signature = headers.get("stripe-signature", "")
    if not _SIGNATURE.fullmatch(signature) or ",v1=" not in signature:
        yield Violation(where, "Stripe-Signature", f"is {signature!r}, not t=<seconds>,v1=<64 hex digits>")
    if headers.get("content-type", "").partition(";")[0] != "application/json":
        yield Violation(where, "Content-Type", "is not application/json")


def _name(event: object) -> str:
    return f"event {event.get('type')}" if isinstance(event, dict) else "event"
