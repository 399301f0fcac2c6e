"""What clients are told of errors, and what only the log is."""

import httpx
import pytest
from structlog.testing import capture_logs

from tests.wire.toy import PATH, SECRET

JSON = "application/json"


@pytest.mark.parametrize("field", ["crash", "driverCrash", "bareGraphqlError", "tooBig", "nullInDisguise"])
async def test_masks_and_logs_what_nobody_expected(client: httpx.AsyncClient, field: str) -> None:
    with capture_logs() as logs:
        response = await client.post(
            PATH, json={"query": f"{{ {field} }}"}, headers={"X-Request-Id": "req-12345678"}
        )
    assert response.status_code == 200
    assert response.json()["errors"] == [
        {
            "message": "Internal server error.",
            "locations": [{"line": 1, "column": 3}],
            "path": [field],
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": "req-12345678"},
        }
    ]
    assert SECRET not in response.text
    [entry] = [entry for entry in logs if entry["event"] == "graphql_error_masked"]
    assert entry["request_id"] == "req-12345678"
    assert entry["path"] == [field]
    assert isinstance(entry["exc_info"], Exception)


async def test_shows_what_was_meant_for_the_client(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await client.post(PATH, json={"query": "{ hello limited }"})
    body = response.json()
    assert body["data"] == {"hello": "hello world", "limited": None}
    assert body["errors"][0]["message"] == "Slow down."
    assert body["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 7}
    assert logs == []


async def test_errors_come_first(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ limited }"})
    assert response.text.startswith('{"errors":')


async def test_nobody_is_anonymous_without_a_401(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ secret }"})
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "www-authenticate" not in response.headers


async def test_a_token_speaks_for_its_owner(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ secret }"}, headers={"Authorization": "Bearer ada"})
    assert response.json() == {"data": {"secret": "for ada"}}


@pytest.mark.parametrize("accept", [JSON, "application/graphql-response+json"])
async def test_a_bad_token_is_a_401(client: httpx.AsyncClient, accept: str) -> None:
    headers = {"Authorization": "Bearer forged", "Accept": accept}
    response = await client.post(PATH, json={"query": "{ hello }"}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.headers["content-type"] == accept
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_a_refused_request_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"query": "{ hello }"}, headers={"Authorization": "Bearer busy"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 7}


async def test_a_bug_before_execution_is_a_masked_500(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await client.post(
            PATH, json={"query": "{ hello }"}, headers={"Authorization": "Bearer crash"}
        )
    assert response.status_code == 500
    [error] = response.json()["errors"]
    assert error["message"] == "Internal server error."
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    assert SECRET not in response.text
    assert str(logs[0]["exc_info"]) == SECRET


async def test_every_operation_has_a_context_of_its_own(client: httpx.AsyncClient) -> None:
    serials = [
        (await client.post(PATH, json={"query": "{ serial }"})).json()["data"]["serial"] for _ in range(2)
    ]
    assert serials[0] < serials[1]
