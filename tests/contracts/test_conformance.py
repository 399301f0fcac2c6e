"""The judge is judged: every planted mistake is found in its place, and none in what is right."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conformance import (
    PINNED_VERSION,
    DeliveryRecorder,
    Exchange,
    Recorder,
    Violation,
    check_answer,
    check_event,
    check_request,
)
from tests.conformance.recorder import App, Message, Scope
from tests.conformance.samples import sample

TRANSFER = {
    "amount": "2500",
    "currency": "usd",
    "destination": "acct_1",
    "transfer_group": "wd_1",
    "metadata[withdrawal_id]": "wd_1",
}
HEADERS = {
    "stripe-version": PINNED_VERSION,
    "idempotency-key": "withdrawal:wd_1:transfer:1",
    "content-type": "application/x-www-form-urlencoded",
}
ANSWER_HEADERS = {
    "request-id": "req_1",
    "content-type": "application/json",
    "stripe-version": PINNED_VERSION,
}
DELIVERY_HEADERS = {
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Content-Type": "application/json; charset=utf-8",
    "Stripe-Signature": f"t=1780000000,v1={'0a' * 32}",
}


def post(
    path: str = "/v1/transfers", form: Mapping[str, str] = TRANSFER, headers: Mapping[str, str] = HEADERS
) -> Exchange:
    return Exchange("POST", path, headers=headers, body=urlencode(form).encode())


def get(path: str, query: Mapping[str, str] = MappingProxyType({})) -> Exchange:
    return Exchange("GET", path, query=urlencode(query).encode(), headers={"stripe-version": PINNED_VERSION})


def answered(exchange: Exchange, body: object, status: int = 200) -> Exchange:
    return replace(exchange, status=status, answer_headers=ANSWER_HEADERS, answer=json.dumps(body).encode())


def event(event_type: str = "transfer.created", **data: Any) -> dict[str, Any]:
    data.setdefault("object", sample("transfer", whole=True))
    return sample("event", type=event_type, api_version=PINNED_VERSION, data=data)


def delivered(body: object, **headers: str) -> list[Violation]:
    return check_event(json.dumps(body).encode(), DELIVERY_HEADERS | headers)


def places(violations: list[Violation]) -> list[str]:
    return [violation.path for violation in violations]


class TestRequests:
    @pytest.mark.parametrize(
        "exchange",
        [
            post(),
            post("/v1/payment_intents/pi_1/cancel", {"cancellation_reason": "abandoned"}),
            post("/v1/customers/cus_1", {"metadata": "", "invoice_settings[default_payment_method]": ""}),
            post("/v1/accounts", {"capabilities[transfers][requested]": "true", "country": "US"}),
            post(
                "/v1/webhook_endpoints",
                {
                    "url": "https://example.com",
                    "enabled_events[0]": "payout.paid",
                    "enabled_events[1]": "*",
                },
            ),
            get("/v1/payment_intents", {"created[gte]": "1780000000", "limit": "100"}),
            get("/v1/payment_intents", {"created": "1780000000"}),
            get("/v1/payment_intents/pi_1", {"expand[0]": "latest_charge.balance_transaction"}),
            get("/v1/balance_transactions", {"expand[]": "data.source"}),
        ],
        ids=lambda exchange: f"{exchange.method} {exchange.path}",
    )
    def test_right_ones_pass(self, exchange: Exchange) -> None:
        assert check_request(exchange) == []

    @pytest.mark.parametrize(
        ("form", "place"),
        [
            ({"colour": "red"}, "body.colour"),
            ({"amount": "12.50"}, "body.amount"),
            ({"amount": ""}, "body.amount"),
            ({"currency": "USD"}, "body.currency"),
            ({"expand": "destination"}, "body.expand"),
            ({"transfer_data[amount]": "1"}, "body.transfer_data"),
            ({"description": "x" * 5001}, "body.description"),
            ({"currency[code]": "usd"}, "body"),
            ({"a]b": "usd"}, "body"),
            ({"expand[0]": "balance"}, "query.expand"),
        ],
    )
    def test_a_wrong_parameter_is_found(self, form: dict[str, str], place: str) -> None:
        assert places(check_request(post(form=TRANSFER | form))) == [place]

    @pytest.mark.parametrize("name", ["currency", "destination"])
    def test_a_missing_parameter_is_found(self, name: str) -> None:
        form = {key: value for key, value in TRANSFER.items() if key != name}
        assert places(check_request(post(form=form))) == [f"body.{name}"]

    def test_mistakes_deep_in_the_form_are_found(self) -> None:
        form = {
            "mode": "payment",
            "line_items[0][quantity]": "one",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][product_data][title]": "Top-up",
        }
        assert places(check_request(post("/v1/checkout/sessions", form))) == [
            "body.line_items[0].quantity",
            "body.line_items[0].price_data.product_data.name",
            "body.line_items[0].price_data.product_data.title",
        ]

    def test_a_value_outside_the_enumeration_is_found(self) -> None:
        [violation] = check_request(post("/v1/refunds", {"payment_intent": "pi_1", "reason": "regret"}))
        assert violation.path == "body.reason"
        assert not violation.tolerable

    def test_an_enumeration_that_stripe_may_widen_only_warns(self) -> None:
        [violation] = check_request(post(form=TRANSFER | {"source_type": "gold"}))
        assert violation.path == "body.source_type"
        assert violation.tolerable

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("idempotency-key", ""),
            ("idempotency-key", "k" * 256),
            ("stripe-version", "2026-10-28.endive"),
            ("content-type", "application/json"),
        ],
    )
    def test_a_wrong_header_is_found(self, name: str, value: str) -> None:
        [violation] = check_request(post(headers=HEADERS | {name: value}))
        assert violation.path.lower() == name

    @pytest.mark.parametrize(
        "exchange", [post("/v1/transferz"), Exchange("PUT", "/v1/transfers", headers=HEADERS)]
    )
    def test_an_unknown_operation_is_found(self, exchange: Exchange) -> None:
        assert places(check_request(exchange)) == ["path"]

    def test_parameters_do_not_belong_into_the_query_of_a_post(self) -> None:
        assert places(check_request(replace(post(), query=b"amount=1"))) == ["query.amount"]

    def test_a_parameter_given_twice_is_found(self) -> None:
        assert places(check_request(replace(post(), body=post().body + b"&amount=1"))) == ["body"]


class TestAnswers:
    @pytest.mark.parametrize("whole", [False, True])
    def test_right_ones_pass(self, whole: bool) -> None:
        exchange = answered(post(), sample("transfer", whole=whole))
        assert check_answer(exchange) == []

    @pytest.mark.parametrize(
        ("fields", "place", "complaint"),
        [
            ({"status": "paid"}, "status", "not in the specification"),
            ({"amount": None}, "amount", "null"),
            ({"amount": "100"}, "amount", "expected integer"),
            ({"amount": 1.0}, "amount", "expected integer"),
            ({"reversed": 1}, "reversed", "expected boolean"),
            ({"object": "payment"}, "object", "not one of"),
            ({"metadata": {"n": 1}}, "metadata.n", "expected string"),
            ({"destination": 7}, "destination", "expected one of"),
            (
                {"destination": {"object": "customer", "id": "cus_1"}},
                "destination",
                "expected one of 'account'",
            ),
            ({"reversals": sample("transfer")["reversals"] | {"total": 0}}, "reversals.total", "not in"),
        ],
    )
    def test_a_wrong_field_is_found(self, fields: dict[str, Any], place: str, complaint: str) -> None:
        [violation] = check_answer(answered(post(), sample("transfer") | fields))
        assert violation.path == f"answer.{place}"
        assert complaint in violation.message

    @pytest.mark.parametrize("name", sorted(sample("transfer")))
    def test_a_missing_field_is_found(self, name: str) -> None:
        transfer = sample("transfer")
        del transfer[name]
        assert places(check_answer(answered(post(), transfer))) == [f"answer.{name}"]

    def test_an_expansion_is_found_unless_it_was_asked_for(self) -> None:
        account = sample("account", id="acct_1")
        transfer = sample("transfer", destination=account)
        asking = post(form=TRANSFER | {"expand[]": "destination"})
        assert places(check_answer(answered(post(), transfer))) == ["answer.destination"]
        assert check_answer(answered(asking, transfer)) == []
        assert places(check_answer(answered(asking, transfer | {"destination": "acct_1"}))) == [
            "answer.destination"
        ]

    def test_mistakes_inside_an_expansion_are_found(self) -> None:
        asking = post(form=TRANSFER | {"expand[]": "destination"})
        transfer = sample("transfer", destination=sample("account", email=1))
        assert places(check_answer(answered(asking, transfer))) == ["answer.destination.email"]

    def test_errors_have_a_schema_too(self) -> None:
        error = {"type": "card_error", "code": "card_declined", "payment_intent": sample("payment_intent")}
        assert check_answer(answered(post(), {"error": error}, status=402)) == []
        assert places(
            check_answer(answered(post(), {"error": error | {"type": "rate_limit_error"}}, 429))
        ) == ["answer.error.type"]
        assert places(check_answer(answered(post(), {"error": error | {"hint": "x"}}, 400))) == [
            "answer.error.hint"
        ]

    @pytest.mark.parametrize("name", ["request-id", "content-type", "stripe-version"])
    def test_a_missing_header_is_found(self, name: str) -> None:
        rest = {key: value for key, value in ANSWER_HEADERS.items() if key != name}
        exchange = replace(answered(post(), sample("transfer")), answer_headers=rest)
        assert [place.lower() for place in places(check_answer(exchange))] == [name]

    def test_events_are_looked_into(self) -> None:
        events = {"object": "list", "data": [event("transfer.paid")], "has_more": False, "url": "/v1/events"}
        assert places(check_answer(answered(get("/v1/events"), events))) == ["event.type"]

    @pytest.mark.parametrize(
        "exchange",
        [
            replace(post(), status=200, answer=None),
            replace(post(), status=502, answer_headers={"content-type": "text/html"}, answer=b"<html>"),
        ],
    )
    def test_what_stripe_did_not_say_in_full_is_not_judged(self, exchange: Exchange) -> None:
        assert check_answer(exchange) == []


class TestEvents:
    @pytest.mark.parametrize(
        "body",
        [
            event(),
            event("transfer.updated", previous_attributes={"metadata": {"added": None}, "description": None}),
            event("charge.dispute.closed", object=sample("dispute", whole=True)),
            event("account.external_account.created", object=sample("bank_account", whole=True)),
            event("customer.deleted", object=sample("deleted_customer")),
            event("balance.available", object=sample("balance", whole=True)),
        ],
        ids=lambda body: str(body["type"]),
    )
    def test_right_ones_pass(self, body: dict[str, Any]) -> None:
        assert delivered(body) == []

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            (event("transfer.paid"), "event.type"),
            (event() | {"api_version": "2026-10-28.endive"}, "event.api_version"),
            (event() | {"attempt": 1}, "event.attempt"),
            (event(object={"object": "unicorn"}), "event.data.object"),
            (event(object=sample("transfer_reversal")), "event.data.object"),
            (event(object=sample("transfer", status="paid")), "event.data.object.status"),
            (
                event("charge.updated", object=sample("charge", billing_details={"nick": "x"})),
                "event.data.object.billing_details.nick",
            ),
            (
                event(object=sample("transfer", destination=sample("account"))),
                "event.data.object.destination",
            ),
            (event(previous_attributes={"status": "x"}), "event.data.previous_attributes.status"),
            (event(previous_attributes={"amount": None}), "event.data.previous_attributes.amount"),
        ],
    )
    def test_a_wrong_one_is_found(self, body: dict[str, Any], place: str) -> None:
        assert place in places(delivered(body))

    @pytest.mark.parametrize(
        "signature", ["", "v1=" + "0a" * 32, "t=1,v1=short", f"t=1,v0={'0a' * 32}", f"t=now,v1={'0a' * 32}"]
    )
    def test_a_malformed_signature_is_found(self, signature: str) -> None:
        assert places(delivered(event(), **{"Stripe-Signature": signature})) == ["Stripe-Signature"]

    def test_several_signatures_are_right(self) -> None:
        rolled = f"t=1,v1={'0a' * 32},v1={'0b' * 32},v0={'0c' * 32}"
        assert delivered(event(), **{"Stripe-Signature": rolled}) == []


class TestRecorders:
    """Driven as a server drives an app, with a connection that can be broken."""

    async def test_the_app_gets_and_gives_the_same_bytes(self) -> None:
        call = Call(post())
        recorder = Recorder(answering(sample("transfer")))
        await call.to(recorder)
        assert json.loads(call.sent[-1]["body"]) == sample("transfer")
        assert recorder.violations == []
        assert recorder.calls == {("POST /v1/transfers", 200): 1}

    async def test_each_violation_is_kept_once(self) -> None:
        recorder = Recorder(answering(sample("transfer", status="paid")))
        for _ in range(3):
            await Call(post(form=TRANSFER | {"colour": "red"})).to(recorder)
        assert places(recorder.violations) == ["answer.status", "body.colour"]

    async def test_warnings_are_kept_apart(self) -> None:
        recorder = Recorder(answering(sample("transfer")))
        await Call(post(form=TRANSFER | {"source_type": "gold"})).to(recorder)
        assert recorder.violations == []
        assert places(recorder.warnings) == ["body.source_type"]

    async def test_requests_without_a_body_are_judged(self) -> None:
        recorder = Recorder(answering(sample("balance"), reads=False))
        await Call(get("/v1/balance", {"colour": "red"})).to(recorder)
        assert places(recorder.violations) == ["query.colour"]

    @pytest.mark.parametrize("path", ["/_sandbox/state", "/onboarding/acct_1", "/v1"])
    async def test_only_stripes_own_paths_are_judged(self, path: str) -> None:
        recorder = Recorder(answering("<html>"))
        await Call(post(path)).to(recorder)
        assert recorder.violations == []

    async def test_the_connection_can_still_be_broken(self) -> None:
        call = Call(post())
        recorder = Recorder(breaking)
        await call.to(recorder)
        assert call.transport.aborted
        assert recorder.violations == []
        assert recorder.calls == {("POST /v1/transfers", None): 1}

    @pytest.mark.parametrize(("status", "found"), [(200, ["body.colour"]), (400, [])])
    async def test_invalid_requests_may_be_sent_on_purpose_if_they_are_refused(
        self, status: int, found: list[str]
    ) -> None:
        body = sample("transfer") if status == 200 else {"error": {"type": "invalid_request_error"}}
        recorder = Recorder(answering(body, status=status), invalid_requests=True)
        await Call(post(form=TRANSFER | {"colour": "red"})).to(recorder)
        assert places(recorder.violations) == found

    async def test_deliveries_are_judged_and_other_posts_are_not(self) -> None:
        recorder = DeliveryRecorder(answering({}))
        body = json.dumps(event("transfer.paid")).encode()
        headers = {name.lower(): value for name, value in DELIVERY_HEADERS.items()}
        delivery = Exchange("POST", "/webhooks/stripe/platform", headers=headers, body=body)
        await Call(delivery).to(recorder)
        await Call(replace(delivery, headers=headers | {"user-agent": "pytest"}, body=b"garbage")).to(
            recorder
        )
        assert places(recorder.violations) == ["event.type"]
        assert recorder.types == {"transfer.paid": 1}


class Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


class Call:
    """One request as uvicorn's cycle holds it: `receive` is bound to what has the transport."""

    def __init__(self, request: Exchange) -> None:
        self.request = request
        self.transport = Transport()
        self.sent: list[Message] = []

    async def to(self, app: Callable[[Scope, Any, Any], Awaitable[None]]) -> None:
        headers = {**self.request.headers, "content-length": str(len(self.request.body))}
        scope = {
            "type": "http",
            "method": self.request.method,
            "path": self.request.path,
            "query_string": self.request.query,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await app(scope, self.receive, self.send)

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.request.body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def answering(body: object, *, status: int = 200, reads: bool = True) -> App:
    """An app that answers this, as Stripe would but for what the test is about."""
    encoded = json.dumps(body).encode()
    headers = [(name.encode(), value.encode()) for name, value in ANSWER_HEADERS.items()]

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": encoded})

    return app


async def breaking(scope: Scope, receive: Any, send: Any) -> None:
    """Announces more than it sends and hangs up, as the sandbox's `truncate_after_commit` does."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
    await send({"type": "http.response.body", "body": b'{"id": "tr_'})
    receive.__self__.transport.abort()
