"""Request ids, and bodies that are too long or too slow."""

import asyncio
import json

import httpx
import pytest

from server.wire.middleware import BODY_BYTES_MAX
from tests.wire.toy import PATH, Toy, serve

HEAD = b"POST /graphql HTTP/1.1\r\nHost: toy\r\nContent-Type: application/json\r\n"


async def test_takes_a_well_formed_request_id(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ hello }"}, headers={"X-Request-Id": "abc-DEF_123.4"})
    assert response.headers["x-request-id"] == "abc-DEF_123.4"


@pytest.mark.parametrize("given", ["short", "with space", "new\tline-1234", "é" * 10, "x" * 129])
async def test_makes_a_request_id_when_the_given_one_is_odd(client: httpx.AsyncClient, given: str) -> None:
    response = await client.post(PATH, json={"query": "{ hello }"}, headers={b"X-Request-Id": given.encode()})
    assert len(response.headers["x-request-id"]) == 32


async def test_a_body_may_be_as_long_as_the_bound(client: httpx.AsyncClient) -> None:
    body = b'{"query": "{ hello }"}'.ljust(BODY_BYTES_MAX)
    response = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


async def test_a_longer_body_is_a_413(client: httpx.AsyncClient) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    response = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


async def test_a_longer_body_is_a_413_whatever_it_announced(toy: Toy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(BODY_BYTES_MAX // 65_536 + 1):
        writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
    writer.write(b"0\r\n\r\n")
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_far_longer_body_is_not_waited_for(toy: Toy) -> None:
    for headers in (b"Content-Length: 100000000\r\n", b"Content-Length: 2000000\r\nExpect: 100-continue\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
        writer.write(HEAD + headers + b"\r\n")
        assert b" 413 " in await reader.readline()
        writer.close()


async def test_a_body_that_trickles_in_is_a_408() -> None:
    with serve(body_s_max=0.2) as toy:
        reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
        writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"query"')
        answer = await reader.read()  # to the end: the connection is closed
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


async def test_a_client_that_hangs_up_early_hurts_nobody(toy: Toy, client: httpx.AsyncClient) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"query"')
    await writer.drain()
    writer.close()
    assert (await client.post(PATH, json={"query": "{ hello }"})).status_code == 200
