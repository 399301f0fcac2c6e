"""Bytes in, bytes out, and the ways in which a connection breaks."""

import asyncio
import contextlib
import os
import socket
import struct
from dataclasses import dataclass, field
from enum import Enum, auto

import orjson
from starlette.types import Receive, Scope, Send

BODY_LENGTH_MAX = 1_000_000
TIMEOUT_S_MAX = 300.0
"""How long a call that was told to time out is held, should the caller never give up."""


class Transmission(Enum):
    """What becomes of an answer on its way."""

    WHOLE = auto()
    RESET = auto()
    TRUNCATED = auto()
    NEVER = auto()


@dataclass
class Call:
    """A request as it came."""

    method: str
    path: str
    query: bytes
    body: bytes
    headers: dict[str, str]
    base_url: str

    @property
    def parameters(self) -> bytes:
        """Form-encoded, wherever the method keeps them."""
        return self.body if self.method == "POST" else self.query


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    transmission: Transmission = Transmission.WHOLE
    replayed: bool = False


def render(body: object) -> bytes:
    """JSON as Stripe writes it: indented."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"


async def read(scope: Scope, receive: Receive) -> Call:
    """Raises ConnectionError when the caller left, ValueError when the body is too long."""
    chunks: list[bytes] = []
    length = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the caller left")
        chunks.append(message.get("body", b""))
        length += len(chunks[-1])
        if length > BODY_LENGTH_MAX:
            raise ValueError("the body is too long")
        more = message.get("more_body", False)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        body=b"".join(chunks),
        headers=headers,
        base_url=f"{scope['scheme']}://{headers.get('host', 'localhost')}",
    )


async def transmit(answer: Answer, receive: Receive, send: Send) -> None:
    """Send the answer, or break the connection the way it says."""
    match answer.transmission:
        case Transmission.WHOLE:
            await _start(answer, send)
            await send({"type": "http.response.body", "body": answer.body})
        case Transmission.TRUNCATED:
            await _start(answer, send)
            half = answer.body[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            _transport(receive).close()
            await _gone(receive)
        case Transmission.RESET:
            await _reset(receive)
        case Transmission.NEVER:
            # A server that stops cancels what still runs: this one has nothing left to do but to break off.
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(_gone(receive), TIMEOUT_S_MAX)
            await _reset(receive)


async def _start(answer: Answer, send: Send) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body))} | answer.headers
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})


def _transport(receive: Receive) -> asyncio.Transport:
    """The socket's transport. ASGI has no word for a broken connection, so uvicorn's own object is asked."""
    transport: asyncio.Transport = receive.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _reset(receive: Receive) -> None:
    """A TCP reset rather than an orderly end: no lingering, then abort."""
    transport = _transport(receive)
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
