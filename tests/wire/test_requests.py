"""What an HTTP request may look like, and what becomes of one that does not."""

import json
from typing import Any

import httpx
import pytest

from server.wire import documents
from tests.wire.toy import PATH, Toy

JSON = "application/json"
MODERN = "application/graphql-response+json"


async def test_answers_a_query(client: httpx.AsyncClient) -> None:
    response = await client.post(
        PATH, json={"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": "Zoë"}}
    )
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "hello Zoë"}}
    assert response.headers["vary"] == "Accept, Accept-Language"
    assert response.headers["cache-control"] == "no-store"


async def test_answers_a_query_by_get(client: httpx.AsyncClient) -> None:
    parameters = {
        "query": "query($n: String!) { hello(name: $n) }",
        "variables": '{"n": "you"}',
        "extensions": "",
    }
    response = await client.get(PATH, params=parameters)
    assert response.json() == {"data": {"hello": "hello you"}}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (MODERN, MODERN),
        (f"{MODERN}, {JSON}", MODERN),
        (f"{JSON}, {MODERN}", MODERN),
        (f"{MODERN}, {JSON};q=0.9", MODERN),
        (f"{MODERN};q=0.5, {JSON}", JSON),
        (f"{MODERN}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", MODERN),
        ("application/*;q=0.1", JSON),
        (f"{MODERN};q=0, */*", JSON),
        ("text/html, */*;q=0.8", JSON),
    ],
)
async def test_negotiates_the_media_type(toy: Toy, accept: str | None, media_type: str) -> None:
    async with httpx.AsyncClient() as client:
        request = client.build_request("POST", toy.origin + PATH, json={"query": "{ hello }"})
        request.headers.pop("accept")
        if accept:
            request.headers["accept"] = accept
        response = await client.send(request)
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type


async def test_refuses_a_media_type_that_it_cannot_write(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ hello }"}, headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert_refused(response, "BAD_REQUEST")


REQUEST_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "# nothing"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "{ half(of: 3) }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "query($n: String!) { hello(name: $n) }"}, "BAD_REQUEST"),
    ({"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": 5}}, "BAD_REQUEST"),
    ({"query": "query($n: Even!) { half(of: $n) }", "variables": {"n": 3}}, "BAD_REQUEST"),
    ({"query": "query A { hello } query B { hello }"}, "BAD_REQUEST"),
    ({"query": "query A { hello }", "operationName": "B"}, "BAD_REQUEST"),
    ({"query": "fragment F on Query { hello }"}, "BAD_REQUEST"),
    ({"query": "subscription { count(to: 1) }"}, "BAD_REQUEST"),
    ({"query": "{" * 10_000}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ hello" * 300 + "}" * 300}, "OPERATION_TOO_COMPLEX"),
    ({"query": "{ " + "hello " * (documents.TOKENS_MAX + 1) + "}"}, "OPERATION_TOO_COMPLEX"),
]


@pytest.mark.parametrize(("body", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_a_400_without_data(
    client: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    response = await client.post(PATH, json=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == MODERN
    assert_refused(response, code)


@pytest.mark.parametrize(
    ("query", "code"), [("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED")]
)
async def test_old_clients_read_request_errors_from_a_200(
    client: httpx.AsyncClient, query: str, code: str
) -> None:
    response = await client.post(PATH, json={"query": query}, headers={"Accept": JSON})
    assert response.status_code == 200
    assert_refused(response, code)


async def test_runs_the_operation_that_was_named(client: httpx.AsyncClient) -> None:
    body = {"query": 'query A { hello } query B { hello(name: "b") }', "operationName": "B"}
    assert (await client.post(PATH, json=body)).json() == {"data": {"hello": "hello b"}}


BAD_BODIES: list[bytes] = [
    b"",
    b"null",
    b"5",
    b'"text"',
    b"true",
    b"[]",
    b'[{"query": "{ hello }"}]',
    b"{",
    b"\xff\xfe",
    b'{"query": "\xff"}',
    b'{"query": "\\ud800"}',
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    b'{"query": "{ hello }", "variables": {"n": NaN}}',
    b'{"query": "{ hello }", "variables": {"n": 1' + b"0" * 5000 + b"}}",
    b"[" * 5000 + b"]" * 5000,
    b"{}",
    b'{"query": null}',
    b'{"query": ""}',
    b'{"query": 5}',
    b'{"query": "{ hello }", "variables": []}',
    b'{"query": "{ hello }", "variables": "{}"}',
    b'{"query": "{ hello }", "extensions": 1}',
    b'{"query": "{ hello }", "operationName": 1}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:40]))
async def test_a_bad_body_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post(PATH, content=body, headers={"Content-Type": JSON})
    assert response.status_code == 400
    assert_refused(response, "BAD_REQUEST")


async def test_deep_variables_are_a_400(client: httpx.AsyncClient) -> None:
    nested = "[" * 1000 + "]" * 1000
    body = '{"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": ' + nested + "}}"
    response = await client.post(PATH, content=body, headers={"Content-Type": JSON})
    assert response.status_code == 400
    assert_refused(response, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonp", "application/json-patch+json", "text/x-application/json",
     "application/json; charset=latin-1", "multipart/form-data; boundary=x", "application/octet-stream"],
)  # fmt: skip
async def test_only_json_bodies_are_read(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await client.post(PATH, content=b'{"query": "{ hello }"}', headers=headers)
    assert response.status_code == 415
    assert_refused(response, "BAD_REQUEST")


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", "Application/JSON"])
async def test_json_is_known_by_any_spelling(client: httpx.AsyncClient, content_type: str) -> None:
    response = await client.post(
        PATH, content=b'{"query": "{ hello }"}', headers={"Content-Type": content_type}
    )
    assert response.status_code == 200


async def test_a_mutation_by_get_is_a_405(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH, params={"query": "mutation { touch }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert_refused(response, "BAD_REQUEST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_a_405(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, PATH, json={"query": "{ hello }"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert_refused(response, "BAD_REQUEST")


@pytest.mark.parametrize(
    "parameters",
    [{}, {"query": ""}, {"query": "{ hello }", "variables": "{"}, {"query": "{ hello }", "variables": "[]"},
     {"query": "{ hello }", "extensions": "5"}],
)  # fmt: skip
async def test_a_bad_query_string_is_a_400(client: httpx.AsyncClient, parameters: dict[str, str]) -> None:
    response = await client.get(PATH, params=parameters)
    assert response.status_code == 400
    assert_refused(response, "BAD_REQUEST")


async def test_remembers_documents_but_not_without_end(client: httpx.AsyncClient) -> None:
    before = documents._parse_cached.cache_info()  # type: ignore[attr-defined]
    long = "#" * documents.DOCUMENT_CHARS_MAX
    for _ in range(2):
        assert (await client.post(PATH, json={"query": "{ remembered: hello }"})).status_code == 200
        assert (await client.post(PATH, json={"query": long + "\n{ hello }"})).status_code == 200
        assert (await client.post(PATH, json={"query": long + "\n{ nothing }"})).status_code == 400
    after = documents._parse_cached.cache_info()  # type: ignore[attr-defined]
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 1)
    assert after.maxsize == documents.DOCUMENTS_MAX


def assert_refused(response: httpx.Response, code: str) -> None:
    """JSON with one coded error or more, and no `data`."""
    body = json.loads(response.content)
    assert "data" not in body
    assert [error["extensions"]["code"] for error in body["errors"]] == [code] * len(body["errors"])
    assert body["errors"]


async def test_data_that_asks_for_patience_says_so_in_a_header(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ toldToWait }"})
    assert (response.status_code, response.headers["retry-after"]) == (200, "7")
    assert response.json() == {"data": {"toldToWait": "as data"}}
    assert "retry-after" not in (await client.post(PATH, json={"query": "{ hello }"})).headers


async def test_a_header_makes_nobody_somebody_else(client: httpx.AsyncClient) -> None:
    """uvicorn would believe it of every caller on this machine; whom to trust is the product's to say."""
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    response = await client.post(PATH, json={"query": "{ client }"}, headers=headers)
    assert response.json() == {"data": {"client": "127.0.0.1"}}
