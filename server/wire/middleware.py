"""Plain ASGI middleware for the whole application: a name for every request, and bounds for its body."""

import asyncio
import re
import secrets
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.wire.content import JSON, encode
from server.wire.errors import BAD_REQUEST

REQUEST_ID_HEADER: Final = "X-Request-Id"
BODY_BYTES_MAX: Final = 1_048_576
BODY_BYTES_DRAINED_MAX: Final = 8 * BODY_BYTES_MAX
BODY_S_MAX: Final = 10.0

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{8,128}")


def request_id(scope: Scope) -> str:
    """The id of this request or socket, made on first use when no middleware gave one."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        state["request_id"] = secrets.token_hex(16)
    return str(state["request_id"])


class RequestId:
    """Takes the caller's X-Request-Id if it is well formed, else makes one; logs and answers carry it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        if _WELL_FORMED.fullmatch(given):
            scope.setdefault("state", {})["request_id"] = given
        identifier = request_id(scope)

        async def send_named(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.accept"}:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = identifier
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identifier):
            await self._app(scope, receive, send_named)


class BodyLimit:
    """Reads a request's body before the application starts: 413 when it is too long, 408 when it is too slow.

    Nothing here streams uploads, so an application never has to cope with half a body.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int = BODY_BYTES_MAX, s_max: float = BODY_S_MAX) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._s_max = s_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except _TooLong:
            message = f"The body is longer than {self._bytes_max} bytes."
            await _refusal(413, message)(scope, receive, send)
        except TimeoutError:
            message = f"The body did not arrive within {self._s_max:g} s."
            await _refusal(408, message)(scope, receive, send)
        except _Gone:
            return
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The body. What is too long is read on and dropped: a reset would overtake the answer."""
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "")
        announced_max = self._bytes_max if "expect" in headers else BODY_BYTES_DRAINED_MAX
        if announced.isdecimal() and int(announced[:20]) > announced_max:
            raise _TooLong
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(self._s_max):
            more = True
            while more and size <= BODY_BYTES_DRAINED_MAX:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= self._bytes_max:
                    chunks.append(chunk)
                more = message.get("more_body", False)
        if size > self._bytes_max:
            raise _TooLong
        return b"".join(chunks)


class _TooLong(Exception):
    pass


class _Gone(Exception):
    """The client hung up: nobody is left to answer."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """The whole body as one message, then whatever the server has to say (that the client left)."""
    replayed = False

    async def receive_replayed() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_replayed


def _refusal(status: int, message: str) -> Response:
    # The rest of the body may not have been read, so the connection cannot be used again.
    content = encode({"errors": [{"message": message, "extensions": {"code": BAD_REQUEST}}]})
    return Response(content, status, {"Connection": "close"}, JSON)
