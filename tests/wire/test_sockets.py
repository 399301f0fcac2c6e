"""graphql-transport-ws: the protocol's rules, tokens, contexts, and what is left behind (nothing)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from server.wire.frames import authorization, fault
from server.wire.serving import FRAME_BYTES_MAX
from server.wire.view import CONNECTION_INIT_S_MAX
from tests.wire.toy import SECRET, Toy, eventually, serve, watching

TRANSPORT = Subprotocol("graphql-transport-ws")
ANONYMOUS: dict[str, Any] = {"type": "connection_init"}


async def send(socket: ClientConnection, message: object) -> None:
    await socket.send(json.dumps(message))


async def receive(socket: ClientConnection) -> Any:
    frame = await asyncio.wait_for(socket.recv(), 3)
    assert isinstance(frame, str), "clients expect text frames"
    return json.loads(frame)


async def close_code(socket: ClientConnection) -> int | None:
    """The code with which the server closes the socket."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(3):
            while True:  # a client that does not read would not see the close either
                await socket.recv()
    return socket.close_code


def subscribe(query: str, *, operation: str = "1", **payload: Any) -> dict[str, Any]:
    return {"id": operation, "type": "subscribe", "payload": {"query": query, **payload}}


@asynccontextmanager
async def opened(toy: Toy, **payload: Any) -> AsyncIterator[ClientConnection]:
    """A socket that was acknowledged."""
    async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
        await send(socket, {"type": "connection_init", "payload": payload})
        assert await receive(socket) == {"type": "connection_ack"}
        yield socket


async def test_streams_a_subscription(toy: Toy) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe("subscription($to: Int!) { count(to: $to) }", variables={"to": 2}))
        assert [await receive(socket) for _ in range(3)] == [
            {"id": "1", "type": "next", "payload": {"data": {"count": 1}}},
            {"id": "1", "type": "next", "payload": {"data": {"count": 2}}},
            {"id": "1", "type": "complete"},
        ]


async def test_runs_queries_and_mutations_too(toy: Toy) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe("mutation { touch }"))
        assert (await receive(socket))["payload"] == {"data": {"touch": "touched"}}
        assert (await receive(socket))["type"] == "complete"


async def test_answers_a_ping(toy: Toy) -> None:
    async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
        await send(socket, {"type": "ping", "payload": None})
        assert await receive(socket) == {"type": "pong"}


@pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_a_token_speaks_for_its_owner(toy: Toy, key: str) -> None:
    async with opened(toy, **{key: "Bearer ada"}) as socket:
        await send(socket, subscribe("{ secret }"))
        assert (await receive(socket))["payload"] == {"data": {"secret": "for ada"}}


async def test_every_operation_has_a_context_of_its_own(toy: Toy) -> None:
    async with opened(toy) as socket:
        serials = []
        for operation in ("1", "2"):
            await send(socket, subscribe("subscription { serial }", operation=operation))
            serials.append((await receive(socket))["payload"]["data"]["serial"])
            assert (await receive(socket))["type"] == "complete"
        assert serials[0] < serials[1]


async def test_a_bad_token_closes_4403(toy: Toy) -> None:
    async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
        await send(socket, {"type": "connection_init", "payload": {"Authorization": "Bearer forged"}})
        assert await close_code(socket) == 4403


async def test_a_bug_of_ours_closes_1011(toy: Toy) -> None:
    with capture_logs() as logs:
        async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
            await send(socket, {"type": "connection_init", "payload": {"Authorization": "Bearer crash"}})
            assert await close_code(socket) == 1011
    assert SECRET not in (socket.close_reason or "")
    assert [str(entry["exc_info"]) for entry in logs] == [SECRET]


async def test_a_socket_ends_with_its_token(toy: Toy) -> None:
    async with opened(toy, Authorization="Bearer brief") as socket:
        await send(socket, subscribe('subscription { ticks(name: "brief") }'))
        await receive(socket)
        assert "brief" in watching
        assert await close_code(socket) == 4403
    await eventually(lambda: "brief" not in watching)


async def test_an_unsaid_hello_closes_4408() -> None:
    with serve(connection_init_s_max=0.2) as toy:
        async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
            assert await close_code(socket) == 4408
    assert CONNECTION_INIT_S_MAX == 5.0


BAD_FRAMES: list[str | bytes] = [
    "5",
    "null",
    "[]",
    '"text"',
    "{",
    "",
    "NaN",
    "{}",
    '{"type": 5}',
    '{"type": "start"}',
    '{"type": "' + "é" * 200 + '"}',
    '{"type": "connection_init", "payload": []}',
    '{"type": "connection_init", "payload": {"Authorization": 5}}',
    '{"type": "ping", "payload": 5}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": 5, "payload": {"query": "{ hello }"}}',
    '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
    '{"type": "subscribe", "id": "1", "payload": "{ hello }"}',
    '{"type": "subscribe", "id": "1", "payload": {}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": 5}}',
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "extensions": 5}}',
    '{"type": "complete"}',
    '{"type": "complete", "id": {}}',
    "[" * 5000,
    b'{"type": "ping"}',
]


@pytest.mark.parametrize("frame", BAD_FRAMES, ids=lambda frame: repr(frame[:40]))
async def test_a_malformed_frame_closes_4400(
    toy: Toy, frame: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
        await socket.send(frame)
        assert await close_code(socket) == 4400
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_frame_beyond_the_bound_closes_1009(toy: Toy) -> None:
    async with opened(toy) as socket:
        await socket.send(" " * (FRAME_BYTES_MAX + 1))
        assert await close_code(socket) == 1009


async def test_only_the_modern_protocol_is_spoken(toy: Toy) -> None:
    for protocols in ([Subprotocol("graphql-ws")], None):
        async with connect(toy.socket_url, subprotocols=protocols) as socket:
            assert socket.subprotocol is None
            assert await close_code(socket) == 4406


async def test_pages_of_other_sites_are_refused(toy: Toy) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(toy.socket_url, subprotocols=[TRANSPORT], origin="https://evil.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403
    with serve(allowed_origins=["https://shop.example"]) as friendly:
        async with connect(friendly.socket_url, subprotocols=[TRANSPORT], origin="https://shop.example"):  # type: ignore[arg-type]
            pass


async def test_the_protocol_has_an_order(toy: Toy) -> None:
    async with connect(toy.socket_url, subprotocols=[TRANSPORT]) as socket:
        await send(socket, subscribe("{ hello }"))
        assert await close_code(socket) == 4401
    async with opened(toy) as socket:
        await send(socket, ANONYMOUS)
        assert await close_code(socket) == 4429
    async with opened(toy) as socket:
        for _ in range(2):
            await send(socket, subscribe('subscription { ticks(name: "twice") }', operation="x" * 200))
        assert await close_code(socket) == 4409
    await eventually(lambda: "twice" not in watching)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_REQUEST"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: null) }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($to: Int!) { count(to: $to) }", "BAD_REQUEST"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
        ("fragment F on Query { hello }", "BAD_REQUEST"),
        ("{ hello" * 300 + "}" * 300, "OPERATION_TOO_COMPLEX"),
    ],
)
async def test_a_request_error_ends_the_operation_not_the_socket(toy: Toy, query: str, code: str) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe(query))
        answer = await receive(socket)
        assert (answer["id"], answer["type"]) == ("1", "error")
        assert answer["payload"][0]["extensions"]["code"] == code
        await send(socket, subscribe("{ hello }"))
        assert (await receive(socket))["payload"] == {"data": {"hello": "hello world"}}


async def test_masks_and_logs_what_nobody_expected(toy: Toy) -> None:
    async with opened(toy) as socket:
        with capture_logs() as logs:
            await send(socket, subscribe("subscription { crashAfterOne }"))
            assert (await receive(socket))["payload"] == {"data": {"crashAfterOne": 1}}
            broken = await receive(socket)
            assert (await receive(socket))["type"] == "complete"
        [error] = broken["payload"]["errors"]
        assert error["message"] == "Internal server error."
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert error["extensions"]["requestId"] == logs[0]["request_id"]
        assert str(logs[0]["exc_info"]) == SECRET


async def test_shows_what_was_meant_for_the_client(toy: Toy) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe("subscription { refused }"))
        answer = await receive(socket)
        errors = answer["payload"]["errors"] if answer["type"] == "next" else answer["payload"]
        assert errors[0]["message"] == "Not for you."
        assert errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_complete_ends_the_generator(toy: Toy) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe('subscription { silence(name: "completed") }'))
        await eventually(lambda: "completed" in watching)
        await send(socket, {"id": "1", "type": "complete"})
        await eventually(lambda: "completed" not in watching)


async def test_leaving_ends_the_generators(toy: Toy) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe('subscription { silence(name: "left") }'))
        await send(socket, subscribe('subscription { ticks(name: "left too") }', operation="2"))
        await eventually(lambda: {"left", "left too"} <= watching)
    await eventually(lambda: not {"left", "left too"} & watching)


async def test_a_vanished_client_ends_the_generators(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(toy) as socket:
        await send(socket, subscribe('subscription { ticks(name: "vanished") }'))
        await eventually(lambda: "vanished" in watching)
        socket.transport.abort()
        await eventually(lambda: "vanished" not in watching)
    assert [record for record in caplog.records if record.exc_info] == []


async def test_operations_at_once_are_bounded() -> None:
    with serve(operations_per_socket_max=1) as toy:
        async with opened(toy) as socket:
            await send(socket, subscribe('subscription { silence(name: "one") }'))
            await send(socket, subscribe("{ hello }", operation="2"))
            answer = await receive(socket)
    assert (answer["id"], answer["type"]) == ("2", "error")
    assert answer["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_authorization_is_found_in_any_case() -> None:
    assert authorization(None) is None
    assert authorization({"other": "x"}) is None
    assert authorization({"aUTHORIZATION": "Bearer x"}) == "Bearer x"


def test_whole_messages_have_no_fault() -> None:
    assert fault({"type": "connection_init", "payload": None}) is None
    assert fault({"type": "pong", "payload": {}}) is None
    assert fault(subscribe("{ hello }", variables=None, operationName=None, extensions={})) is None
