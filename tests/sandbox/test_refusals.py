"""What Stripe would not take, the sandbox does not take either."""

from collections.abc import Mapping

import pytest

from tests.sandbox.running import PUBLISHABLE_KEY, Running

INTENT = {"amount": "5000", "currency": "usd"}

REFUSED: list[tuple[str, Mapping[str, str], tuple[str | None, str]]] = [
    ("POST /v1/payment_intents", {"currency": "usd"}, ("parameter_missing", "amount")),
    ("POST /v1/payment_intents", {**INTENT, "ammount": "1"}, ("parameter_unknown", "ammount")),
    ("POST /v1/payment_intents", {**INTENT, "amount": "12.5"}, ("parameter_invalid_integer", "amount")),
    ("POST /v1/payment_intents", {**INTENT, "amount": "٣"}, ("parameter_invalid_integer", "amount")),
    ("POST /v1/payment_intents", {**INTENT, "amount": "0"}, ("parameter_invalid_integer", "amount")),
    ("POST /v1/payment_intents", {**INTENT, "amount": "49"}, ("amount_too_small", "amount")),
    ("POST /v1/payment_intents", {**INTENT, "amount": "100000000"}, ("amount_too_large", "amount")),
    ("POST /v1/payment_intents", {"amount": "49", "currency": "jpy"}, ("amount_too_small", "amount")),
    (
        "POST /v1/payment_intents",
        {"amount": "150", "currency": "isk"},
        ("parameter_invalid_integer", "amount"),
    ),
    ("POST /v1/payment_intents", {"amount": "100000000", "currency": "isk"}, ("amount_too_large", "amount")),
    (
        "POST /v1/payment_intents",
        {"amount": "1234", "currency": "kwd"},
        ("parameter_invalid_integer", "amount"),
    ),
    ("POST /v1/payment_intents", {**INTENT, "amount[a]": "1"}, (None, "amount[a]")),
    ("POST /v1/payment_intents", {**INTENT, "currency": "xxx"}, (None, "currency")),
    ("POST /v1/payment_intents", {**INTENT, "customer": ""}, ("parameter_invalid_empty", "customer")),
    ("POST /v1/payment_intents", {**INTENT, "customer": "cus_1"}, ("resource_missing", "customer")),
    ("POST /v1/payment_intents", {**INTENT, "confirm": "yes"}, (None, "confirm")),
    ("POST /v1/payment_intents", {**INTENT, "setup_future_usage": "soon"}, (None, "setup_future_usage")),
    (
        "POST /v1/payment_intents",
        {**INTENT, "automatic_payment_methods[on]": "true"},
        ("parameter_unknown", "automatic_payment_methods[on]"),
    ),
    ("POST /v1/payment_intents", {**INTENT, "metadata[a]": "x" * 501}, (None, "metadata[a]")),
    ("POST /v1/payment_intents", {**INTENT, f"metadata[{'k' * 41}]": "x"}, (None, "metadata")),
    (
        "POST /v1/payment_intents",
        {**INTENT, "capture_method": "manual"},
        ("sandbox_unsupported", "capture_method"),
    ),
    (
        "POST /v1/payment_intents",
        {**INTENT, "on_behalf_of": "acct_1"},
        ("sandbox_unsupported", "on_behalf_of"),
    ),
    ("POST /v1/payment_intents", {**INTENT, "expand[]": "nonsense"}, (None, "expand")),
    ("POST /v1/payment_intents", {**INTENT, "expand[]": "a.b.c.d.e"}, (None, "expand")),
    ("POST /v1/customers", {"email": "nobody"}, ("email_invalid", "email")),
    ("POST /v1/customers", {"a[[b]": "1"}, (None, "a[[b]")),
    ("POST /v1/webhook_endpoints", {"url": "x", "enabled_events[]": "*"}, ("url_invalid", "url")),
    (
        "POST /v1/webhook_endpoints",
        {"url": "http://x.y", "enabled_events[]": "transfer.paid"},
        (None, "enabled_events[0]"),
    ),
    ("GET /v1/payment_intents", {"limit": "101"}, ("parameter_invalid_integer", "limit")),
    ("GET /v1/payment_intents", {"limit": "ten"}, ("parameter_invalid_integer", "limit")),
    ("GET /v1/payment_intents", {"created[since]": "1"}, ("parameter_unknown", "created[since]")),
    ("GET /v1/payment_intents", {"starting_after": "pi_1"}, ("resource_missing", "starting_after")),
    ("GET /v1/payment_methods", {"customer": "cus_1"}, ("resource_missing", "customer")),
    ("GET /v1/events", {f"types[{n}]": "charge.updated" for n in range(21)}, (None, "types")),
    ("GET /v1/balance", {"currency": "usd"}, ("parameter_unknown", "currency")),
]


@pytest.mark.parametrize(("call", "params", "refusal"), REFUSED)
async def test_a_wrong_parameter_is_refused(
    sandbox: Running, call: str, params: Mapping[str, str], refusal: tuple[str | None, str]
) -> None:
    """`refusal`: the error's code and the parameter it names."""
    method, path = call.split()
    data, query = (None, params) if method == "GET" else (params, None)

    answer = await sandbox.http.request(method, path, data=data, params=query)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error.get("code"), error.get("param")) == refusal
    assert error["message"]
    assert (await sandbox.state())["objects"].keys() == {"webhook_endpoint", "balance_transaction", "topup"}


async def test_bytes_that_are_no_text_are_refused(sandbox: Running) -> None:
    answer = await sandbox.http.post("/v1/customers", content=b"name=%FF")

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["/v1/customers/cus_1", "/v1/payment_intents/pi_1", "/v1/events/evt_1", "/v1/charges/c"]
)
async def test_what_is_not_there_is_missing(sandbox: Running, path: str) -> None:
    answer = await sandbox.http.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nothing"), ("DELETE", "/v1/payment_intents/pi_1"), ("GET", "/v1/")]
)
async def test_an_unknown_address_is_unrecognized(sandbox: Running, method: str, path: str) -> None:
    answer = await sandbox.http.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: {path})")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer sk_test_another", "Basic !", "Digest x"])
async def test_without_the_key_there_is_no_answer(sandbox: Running, authorization: str) -> None:
    answer = await sandbox.http.get("/v1/balance", auth=None, headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["request-id"].startswith("req_")


async def test_a_browser_may_little(sandbox: Running) -> None:
    answer = await sandbox.http.get("/v1/balance", auth=(PUBLISHABLE_KEY, ""))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "secret_key_required")


async def test_there_are_no_connected_accounts_yet(sandbox: Running) -> None:
    answer = await sandbox.http.get("/v1/balance", headers={"Stripe-Account": "acct_1"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")


async def test_one_version_is_spoken(sandbox: Running) -> None:
    answer = await sandbox.http.get("/v1/balance", headers={"Stripe-Version": "2026-10-28.endive"})

    assert answer.status_code == 400
