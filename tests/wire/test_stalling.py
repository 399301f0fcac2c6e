"""Clients that stop reading: dropped after a while, and told why; nothing grows, nobody waits for them."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection

from server.wire.view import OPERATIONS_PER_SOCKET_MAX
from tests.wire.test_sockets import close_code, opened, receive, send, subscribe
from tests.wire.toy import PATH, Toy, eventually, flooded, serve, watching

STALL_S = 0.6
STREAM = b"""POST %b HTTP/1.1\r
Host: toy\r
Accept: text/event-stream\r
Content-Type: application/json\r
Content-Length: %d\r
\r
%b"""


@pytest.fixture(scope="module")
def hasty() -> Iterator[Toy]:
    """It waits for nobody longer than STALL_S."""
    with serve(stall_s_max=STALL_S) as running:
        yield running


def dropped(kind: str) -> float:
    return REGISTRY.get_sample_value("jobsphere_slow_clients_total", {"kind": kind}) or 0.0


def stop_reading(client: ClientConnection) -> None:
    client.transport.pause_reading()


async def stalled(name: str) -> int:
    """How much was given out when nothing more is."""
    async with asyncio.timeout(3):
        while True:
            before = flooded[name]
            await asyncio.sleep(0.1)
            if before == flooded[name] > 0:
                return before


@asynccontextmanager
async def flooding(toy: Toy, name: str) -> AsyncIterator[ClientConnection]:
    """A client that asked for a flood, and then reads nothing."""
    async with opened(toy) as client:
        stop_reading(client)
        await send(client, subscribe(f'subscription {{ flood(name: "{name}") }}'))
        try:
            yield client
        finally:
            client.transport.abort()  # a polite end would wait for what is not read


async def test_who_does_not_read_is_dropped_and_told_why(hasty: Toy) -> None:
    before, start = dropped("socket"), time.monotonic()
    async with flooding(hasty, "unread") as client:
        await eventually(lambda: "unread" in watching)
        await eventually(lambda: "unread" not in watching)
        assert time.monotonic() - start < STALL_S + 1.5
        assert dropped("socket") == before + 1
        # Had it only been slow, it finds all that was sent, and then the reason.
        client.transport.resume_reading()
        assert await close_code(client) == 4413
        assert client.close_reason == "Too slow: what was sent is not read"


async def test_what_waits_for_a_client_is_bounded(toy: Toy) -> None:
    """Of endless floods each operation holds one piece, while all the others have theirs."""
    async with opened(toy) as client:
        stop_reading(client)
        names = [f"bounded {number}" for number in range(OPERATIONS_PER_SOCKET_MAX)]
        for name in names:
            await send(client, subscribe(f'subscription {{ flood(name: "{name}") }}', operation=name))
        await stalled(names[-1])
        given = flooded.copy()
        async with opened(toy) as other:
            await send(other, subscribe("subscription { count(to: 3) }"))
            assert [(await receive(other))["type"] for _ in range(4)] == ["next"] * 3 + ["complete"]
        assert all(flooded[name] == given[name] for name in names)
        client.transport.resume_reading()
        await eventually(lambda: any(flooded[name] > given[name] for name in names))
        client.transport.abort()


async def test_who_reads_slowly_but_reads_is_kept(hasty: Toy) -> None:
    before = dropped("socket")
    async with flooding(hasty, "slow") as client:
        start = time.monotonic()
        while time.monotonic() - start < 2.5 * STALL_S:
            client.transport.resume_reading()
            for _ in range(60):
                await client.recv()
            stop_reading(client)
            await asyncio.sleep(STALL_S / 4)
        assert "slow" in watching
        assert dropped("socket") == before
    await eventually(lambda: "slow" not in watching)


async def test_one_that_leaves_while_we_wait_for_it_takes_everything_with_it(toy: Toy) -> None:
    async with flooding(toy, "left") as client:
        await stalled("left")
        # Our own answer to a ping waits as well, and with it whoever reads the socket.
        await send(client, {"type": "ping"})
        client.transport.abort()
        await eventually(lambda: "left" not in watching)


async def test_a_token_that_ends_does_not_wait_for_a_reader(hasty: Toy) -> None:
    async with opened(hasty, Authorization="Bearer brief") as client:
        stop_reading(client)
        await send(client, subscribe('subscription { flood(name: "brief flood") }'))
        await eventually(lambda: "brief flood" in watching)
        await eventually(lambda: "brief flood" not in watching)
        client.transport.abort()


async def test_an_event_stream_that_nobody_reads_is_cut_off(hasty: Toy) -> None:
    before = dropped("http")
    body = json.dumps({"query": 'subscription { flood(name: "stream") }'}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port, limit=1024)
    try:
        writer.write(STREAM % (PATH.encode(), len(body), body))
        await writer.drain()
        await eventually(lambda: "stream" in watching)
        await eventually(lambda: "stream" not in watching)
        assert dropped("http") == before + 1
    finally:
        writer.transport.abort()
    assert reader.exception() is None or isinstance(reader.exception(), OSError)


async def test_a_large_piece_may_be_read_slowly(hasty: Toy) -> None:
    """At this rate it needs much longer than STALL_S, and becomes less all the time."""
    before, loop = dropped("http"), asyncio.get_running_loop()
    connection = await _flooded_connection(hasty, "large", times=128)
    with connection:
        start, given = time.monotonic(), flooded["large"]
        while time.monotonic() - start < 3 * STALL_S:
            assert await loop.sock_recv(connection, 32_768)
            await asyncio.sleep(STALL_S / 20)
        assert "large" in watching
        assert dropped("http") == before
        assert flooded["large"] == given
    await eventually(lambda: "large" not in watching)


async def test_a_process_that_ends_does_not_wait_for_a_reader() -> None:
    with serve(stall_s_max=STALL_S) as ending:
        connection = await _flooded_connection(ending, "ending")
        start = time.monotonic()
    assert time.monotonic() - start < 3
    assert "ending" not in watching
    connection.close()


async def _flooded_connection(toy: Toy, name: str, *, times: int = 1) -> socket.socket:
    body = json.dumps({"query": f'subscription {{ flood(name: "{name}", times: {times}) }}'}).encode()
    connection = socket.create_connection(("127.0.0.1", toy.port))
    connection.sendall(STREAM % (PATH.encode(), len(body), body))
    connection.setblocking(False)
    await stalled(name)
    return connection
