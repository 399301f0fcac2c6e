"""What the product asks of Stripe: a known operation, valid parameters, our version, a key on every POST."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.dialect import Finding, inspect
from tests.conformance.exchange import Exchange, Violation, located
from tests.conformance.expansion import check_asked
from tests.conformance.forms import MalformedForm, coerce, parse
from tests.conformance.spec import PINNED_VERSION, Operation, Schema, find_operation

KEY_LENGTH_MAX = 255
_FORM = "application/x-www-form-urlencoded"


def check_request(exchange: Exchange) -> list[Violation]:
    """Everything that is wrong with the request, whatever was answered."""
    return [*check_parameters(exchange), *_check_headers(exchange)]


def check_parameters(exchange: Exchange) -> list[Violation]:
    """What Stripe itself would refuse: an unknown path; unknown, missing or ill-typed parameters."""
    operation = find_operation(exchange.method, exchange.path)
    if operation is None:
        where = f"{exchange.method} {exchange.path}"
        return [Violation(where, "path", "is not an operation of Stripe's API")]
    where = f"{operation} request"
    return [
        *located(where, "query", _check_form(exchange.query, operation.query)),
        *located(where, "body", _check_form(exchange.body, operation.form)),
        *located(where, "query", check_asked(asked_expansions(exchange, operation), operation.success)),
    ]


def asked_expansions(exchange: Exchange, operation: Operation) -> list[str]:
    """The `expand` parameter, from wherever the operation takes it."""
    paths: list[str] = []
    for encoded, schema in ((exchange.query, operation.query), (exchange.body, operation.form)):
        try:
            value = coerce(parse(encoded), schema)
        except MalformedForm:
            continue
        expand = value.get("expand") if isinstance(value, dict) else None
        paths += [path for path in expand if isinstance(path, str)] if isinstance(expand, list) else []
    return paths


def _check_form(encoded: bytes, schema: Schema) -> list[Finding]:
    try:
        value = coerce(parse(encoded), schema)
    except MalformedForm as error:
        return [Finding((), str(error))]
    return inspect(value, schema).findings


def _check_headers(exchange: Exchange) -> Iterator[Violation]:
    where = f"{find_operation(exchange.method, exchange.path) or exchange.method} request"
    version = exchange.headers.get("stripe-version")
    if version != PINNED_VERSION:
        yield Violation(where, "Stripe-Version", f"is {version!r}, expected {PINNED_VERSION!r}")
    if exchange.body and exchange.headers.get("content-type", "").partition(";")[0] != _FORM:
        yield Violation(where, "Content-Type", f"is not {_FORM}")
    key = exchange.headers.get("idempotency-key", "")
    if exchange.method == "POST" and not 1 <= len(key) <= KEY_LENGTH_MAX:
        yield Violation(where, "Idempotency-Key", f"is not of 1 to {KEY_LENGTH_MAX} characters")
