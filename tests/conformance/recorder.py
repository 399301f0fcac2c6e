"""ASGI middlewares that overhear, judge and change nothing.

The sandbox reaches through `receive` for the transport when it is told to break a connection
(`receive.__self__.transport.abort()`), so what it is given instead must be a bound method of something that
answers for the server's own object: `_Tap`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.conformance.answers import check_answer
from tests.conformance.events import USER_AGENT, check_event, type_of
from tests.conformance.exchange import Exchange, Violation
from tests.conformance.requests import check_parameters, check_request
from tests.conformance.spec import find_operation

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Verdicts:
    """What was found, each thing once: a suite repeats its calls by the thousand."""

    violations: list[Violation] = field(default_factory=list)
    warnings: list[Violation] = field(default_factory=list)

    def add(self, found: Iterable[Violation]) -> None:
        for violation in found:
            verdicts = self.warnings if violation.tolerable else self.violations
            if violation not in verdicts:
                verdicts.append(violation)


class Recorder:
    """Around the sandbox: judges every complete exchange under /v1, and every request even if cut off.

    With `invalid_requests=True` (for tests that provoke refusals) a request may break the specification, but
    then it must be refused: the sandbox may not accept what Stripe would not.
    """

    def __init__(self, app: App, *, invalid_requests: bool = False) -> None:
        self._app = app
        self.invalid_requests = invalid_requests
        self._verdicts = Verdicts()
        self.violations = self._verdicts.violations
        self.warnings = self._verdicts.warnings
        self.calls: Counter[tuple[str, int | None]] = Counter()
        """How often each operation got each status; None where the answer was cut off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        tap = _Tap(scope, receive, send)
        try:
            await self._app(scope, tap.receive, tap.send)
        finally:
            self._judge(tap.exchange(), request_is_complete=tap.request_is_complete)

    def _judge(self, exchange: Exchange, *, request_is_complete: bool) -> None:
        operation = find_operation(exchange.method, exchange.path)
        self.calls[str(operation or "unknown"), exchange.status if exchange.answer is not None else None] += 1
        self._verdicts.add(check_answer(exchange))
        if not request_is_complete:
            return
        if not self.invalid_requests:
            self._verdicts.add(check_request(exchange))
        elif exchange.status == 200:
            self._verdicts.add(check_parameters(exchange))


class DeliveryRecorder:
    """Around the product's API: judges the events that are delivered to /webhooks/."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._verdicts = Verdicts()
        self.violations = self._verdicts.violations
        self.types: Counter[str] = Counter()
        """How often each type of event was delivered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_delivery(scope):
            await self._app(scope, receive, send)
            return
        tap = _Tap(scope, receive, send)
        try:
            await self._app(scope, tap.receive, tap.send)
        finally:
            if tap.request_is_complete:
                self._judge(bytes(tap.body), _headers_of(scope))

    def _judge(self, raw_body: bytes, headers: Mapping[str, str]) -> None:
        self.types[type_of(raw_body)] += 1
        self._verdicts.add(check_event(raw_body, headers))


class _Tap:
    """Passes messages on, both ways and untouched, and keeps a copy."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._status: int | None = None
        self._headers = _headers_of(scope)
        self._answer_headers: dict[str, str] = {}
        self.body = bytearray()
        self.request_is_complete = not self._announces_body()
        self._answer = bytearray()
        self._answer_is_complete = False

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of the object behind `receive`: the server's own one has it."""
        return getattr(getattr(self._receive, "__self__", None), name)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.body += message.get("body", b"")
            self.request_is_complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._answer_headers = _headers_of(message)
        elif message["type"] == "http.response.body":
            self._answer += message.get("body", b"")
            self._answer_is_complete = not message.get("more_body", False)

    def _announces_body(self) -> bool:
        """Without one, an app has no reason to ever call `receive`."""
        return self._headers.get("content-length", "0") != "0" or "transfer-encoding" in self._headers

    def exchange(self) -> Exchange:
        announced = self._answer_headers.get("content-length", str(len(self._answer)))
        whole = self._answer_is_complete and announced == str(len(self._answer))
        return Exchange(
            method=self._scope["method"],
            path=self._scope["path"],
            query=self._scope["query_string"],
            headers=self._headers,
            body=bytes(self.body),
            status=self._status,
            answer_headers=self._answer_headers,
            answer=bytes(self._answer) if whole else None,
        )


def _is_delivery(scope: Scope) -> bool:
    user_agent = _headers_of(scope).get("user-agent", "")
    is_webhook = scope["method"] == "POST" and scope["path"].startswith("/webhooks/")
    return is_webhook and user_agent.startswith(USER_AGENT)


def _headers_of(message: Message) -> dict[str, str]:
    """The headers of a scope or of the start of an answer."""
    pairs = message.get("headers", ())
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
