"""What the sandbox answers: the schema of that operation and status, no more fields, Stripe's headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.conformance.dialect import inspect
from tests.conformance.events import check_payload
from tests.conformance.exchange import Exchange, Violation, located
from tests.conformance.expansion import check_given
from tests.conformance.requests import asked_expansions
from tests.conformance.spec import Operation, Schema, find_operation

ANY_FAILURE: Schema = {"$ref": "#/components/schemas/error"}
_REQUEST_ID = re.compile(r"req_\w+")


def check_answer(exchange: Exchange) -> list[Violation]:
    """Everything that is wrong with a complete answer; nothing about one that was cut off."""
    if exchange.answer is None or exchange.status is None:
        return []
    operation = find_operation(exchange.method, exchange.path)
    where = f"{operation or exchange.method} answer {exchange.status}"
    if exchange.status >= 500 and not _is_json(exchange):
        return []  # a proxy's page, in front of Stripe and not by it
    return [*_check_headers(where, exchange), *_check_body(where, exchange, operation)]


def _check_headers(where: str, exchange: Exchange) -> Iterator[Violation]:
    request_id = exchange.answer_headers.get("request-id")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        yield Violation(where, "Request-Id", f"is {request_id!r}, expected req_...")
    if not _is_json(exchange):
        yield Violation(where, "Content-Type", "is not application/json")
    asked, given = exchange.headers.get("stripe-version"), exchange.answer_headers.get("stripe-version")
    if asked is not None and given != asked:
        yield Violation(where, "Stripe-Version", f"is {given!r}, the request said {asked!r}")


def _check_body(where: str, exchange: Exchange, operation: Operation | None) -> list[Violation]:
    try:
        body = json.loads(exchange.answer or b"")
    except ValueError as error:
        return [Violation(where, "answer", f"is not JSON: {error}")]
    if operation is None or exchange.status != 200:
        schema = ANY_FAILURE if operation is None else operation.failure
        return located(where, "answer", inspect(body, schema).findings)
    inspection = inspect(body, operation.success)
    expansions = check_given(inspection, asked_expansions(exchange, operation))
    return [*located(where, "answer", [*inspection.findings, *expansions]), *_check_events(body)]


def _check_events(body: object) -> Iterator[Violation]:
    """`data.object` of events that were asked for; the schema of an event leaves it open."""
    listed = body.get("data") if isinstance(body, dict) else None
    for item in [body, *(listed if isinstance(listed, list) else ())]:
        if isinstance(item, dict) and item.get("object") == "event":
            yield from check_payload(item)


def _is_json(exchange: Exchange) -> bool:
    return exchange.answer_headers.get("content-type", "").partition(";")[0] == "application/json"
