"""Server-sent events: only for who asks for nothing else, and never longer than a token or the process."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.wire.toy import PATH, SECRET, Toy, eventually, serve, watching

STREAM = {"Accept": "text/event-stream"}


def events(text: str) -> list[tuple[str, Any]]:
    """(event, data) of each event; data None for an empty one."""
    found = []
    for block in filter(None, text.split("\r\n\r\n")):
        lines = dict(line.split(": ", maxsplit=1) for line in block.split("\r\n") if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"]) if lines["data"] else None))
    return found


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_streams_a_subscription(client: httpx.AsyncClient, method: str) -> None:
    query = {"query": "subscription { count(to: 2) }"}
    parameters: dict[str, Any] = {"json": query} if method == "POST" else {"params": query}
    response = await client.request(method, PATH, headers=STREAM, **parameters)
    assert response.headers["content-type"] == "text/event-stream"
    assert events(response.text) == [
        ("next", {"data": {"count": 1}}),
        ("next", {"data": {"count": 2}}),
        ("complete", None),
    ]


async def test_clients_that_list_everything_get_json(client: httpx.AsyncClient) -> None:
    accept = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    response = await client.post(PATH, json={"query": "{ hello }"}, headers={"Accept": accept})
    assert response.headers["content-type"] == "application/graphql-response+json"
    assert response.json() == {"data": {"hello": "hello world"}}


async def test_errors_are_coded_and_masked(client: httpx.AsyncClient) -> None:
    crash = await client.post(PATH, json={"query": "subscription { crashAfterOne }"}, headers=STREAM)
    assert SECRET not in crash.text
    assert events(crash.text)[1][1]["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    typo = await client.post(PATH, json={"query": "subscription { nothing }"}, headers=STREAM)
    [(_, refusal), _] = events(typo.text)
    assert refusal["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "data" not in refusal
    forged = await client.post(
        PATH, json={"query": "{ hello }"}, headers=STREAM | {"Authorization": "Bearer forged"}
    )
    assert forged.status_code == 401


async def test_a_stream_ends_with_its_token(client: httpx.AsyncClient) -> None:
    response = await client.post(
        PATH,
        json={"query": 'subscription { silence(name: "brief stream") }'},
        headers=STREAM | {"Authorization": "Bearer brief"},
    )
    [(_, last), complete] = events(response.text)
    assert last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert complete == ("complete", None)
    await eventually(lambda: "brief stream" not in watching)


async def test_leaving_ends_the_generator(client: httpx.AsyncClient) -> None:
    query = {"query": 'subscription { ticks(name: "left stream") }'}
    async with client.stream("POST", PATH, json=query, headers=STREAM) as response:
        await anext(response.aiter_lines())
        assert "left stream" in watching
    await eventually(lambda: "left stream" not in watching)


async def test_a_stream_ends_with_the_process() -> None:
    with serve() as toy:
        stream = asyncio.create_task(_read(toy, 'subscription { silence(name: "closing") }'))
        await eventually(lambda: "closing" in watching)
    # The server has drained: it did not wait for the stream, and did not cut it either.
    assert events(await stream) == [("complete", None)]
    assert "closing" not in watching


async def _read(toy: Toy, query: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.post(toy.origin + PATH, json={"query": query}, headers=STREAM)).text
