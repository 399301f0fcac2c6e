"""Whatever is wrong with a request is told, by a stable code, and nothing is written and Stripe not asked."""

from collections.abc import AsyncIterator
from typing import Any

import jwt
import orjson
import pytest
from pydantic import SecretStr

from domain.identity import Role
from server.runtime import token_issuer
from tests.house import Answer, House, Person
from tests.house.people import CREATE_DEPOSIT

LEDGER_REPORT = "{ ledgerReport { ok } }"
PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String) {
  me { deposits(first: $first, after: $after, last: $last, before: $before) { edges { cursor } } }
}
"""
STATEMENT = """
query ($first: Int, $after: String, $filter: TransactionFilter) {
  wallet { transactions(first: $first, after: $after, filter: $filter) { edges { cursor } } }
}
"""


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Person]:
    """A customer, who changes nothing in the test: neither here nor at Stripe."""
    ada = await house.customer()
    before = await written(house)
    yield ada
    assert await written(house) == before
    asked = (await house.stripe.state())["requests"]
    assert [request for request in asked if request["method"] != "GET"] == []


async def written(house: House) -> dict[str, int]:
    """How many documents each collection holds."""
    names = await house.runtime.database.mongo.list_collection_names()
    return {name: await house.count(name) for name in names if name != "leases"}


async def refusal(person: Person, **command: Any) -> dict[str, Any]:
    """The one user error of createDeposit, which made nothing."""
    command = {"amount": 25_00, "idempotencyKey": "rent"} | command
    payload = (await person.data(CREATE_DEPOSIT, {"input": command}))["createDeposit"]
    assert payload["deposit"] is payload["idempotency"] is None
    [error] = payload["userErrors"]
    assert error["message"]
    return dict(error)


async def ask_raw(house: House, person: Person, variables: str) -> Answer:
    """createDeposit with variables as they stand, also such as no JSON library would write."""
    body = f'{{"query": {orjson.dumps(CREATE_DEPOSIT).decode()}, "variables": {variables}}}'
    headers = {**person.headers, "Content-Type": "application/json"}
    response = await house.http.post(f"{house.url}/graphql", content=body, headers=headers)
    content = response.json()
    return Answer(response.status_code, content.get("data"), content.get("errors", []))


# ------------------------------------------------------------------ amounts


@pytest.mark.parametrize("amount", [0, -1, -25_00, 99, 1_000_001, 2**31, 2**53 - 1, -(2**53 - 1)])
async def test_an_amount_out_of_bounds_is_refused(ada: Person, amount: int) -> None:
    error = await refusal(ada, amount=amount)
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["amount"])


@pytest.mark.parametrize(
    "amount",
    [
        *("10.5", "10.0", "1e3", "1e400", '"100"', '""', "true", "null", "[100]", '{"amount": 100}'),
        *("9007199254740992", "-9007199254740992", "18446744073709551616", "1" + "0" * 400),
        *("NaN", "Infinity", "-Infinity", "0x10", "0100", "1_000", "- 1", "+1"),
    ],
    ids=lambda text: text[:12],
)
async def test_an_amount_that_is_no_safe_integer_is_a_bad_request(
    house: House, ada: Person, amount: str
) -> None:
    answer = await ask_raw(house, ada, f'{{"input": {{"amount": {amount}, "idempotencyKey": "rent"}}}}')
    assert (answer.code, answer.data) == ("BAD_REQUEST", None)


@pytest.mark.parametrize("amount", ["10.5", "10.0", "1e3", '"100"', "9007199254740992", "true", "null"])
async def test_an_amount_written_into_the_query_is_held_to_the_same(ada: Person, amount: str) -> None:
    command = f'{{amount: {amount}, idempotencyKey: "rent"}}'
    answer = await ada.ask(f"mutation {{ createDeposit(input: {command}) {{ deposit {{ id }} }} }}")
    assert (answer.code, answer.data) == ("GRAPHQL_VALIDATION_FAILED", None)


@pytest.mark.parametrize(
    "variables", ['{"input": {}}', "{}", '{"input": null}', '{"input": {"amount": 100}}']
)
async def test_what_is_missing_is_a_bad_request(house: House, ada: Person, variables: str) -> None:
    assert (await ask_raw(house, ada, variables)).code == "BAD_REQUEST"


async def test_a_field_that_is_not_there_is_a_bad_request(house: House, ada: Person) -> None:
    answer = await ask_raw(
        house, ada, '{"input": {"amount": 100, "idempotencyKey": "rent", "owner": "usr_somebody"}}'
    )
    assert answer.code == "BAD_REQUEST"


# ------------------------------------------------------------------ currencies and keys


@pytest.mark.parametrize("amount", [301, 309, 10_501, 999_999])
async def test_an_amount_that_stripe_cannot_express_is_refused(ada: Person, amount: int) -> None:
    error = await refusal(ada, amount=amount, currency="KWD")
    assert (error["__typename"], error["code"], error["path"]) == ("InputError", "INVALID_INPUT", ["amount"])
    assert error["message"] == "KWD is charged in steps of 10 minor units."


@pytest.mark.parametrize(
    "currency", ["GBP", "CHF", "usd", "Usd", "USD ", "", "US", "XXX", "US\x00", "€" * 5000]
)
async def test_a_currency_that_is_not_taken_is_refused(ada: Person, currency: str) -> None:
    error = await refusal(ada, currency=currency)
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["currency"])
    assert error["message"] == "This currency is not taken. Taken are: USD, EUR, JPY, ISK, KWD."


@pytest.mark.parametrize("currency", ["CHF", "GBP", "usd", "isk", "Kwd", "XXX", ""])
async def test_there_is_no_wallet_of_a_foreign_currency(ada: Person, currency: str) -> None:
    query = "query ($currency: CurrencyCode!) { wallet(currency: $currency) { id } }"
    assert (await ada.data(query, {"currency": currency}))["wallet"] is None
    watch = query.replace("query", "subscription").replace("wallet(", "walletUpdated(")
    async with ada.subscribe(watch, {"currency": currency}) as wallet:
        assert await wallet.until_complete() == [{"walletUpdated": None}]


@pytest.mark.parametrize("key", ["", "x" * 256, "é" * 256, "x" * 100_000], ids=len)
async def test_a_key_has_1_to_255_characters(ada: Person, key: str) -> None:
    error = await refusal(ada, idempotencyKey=key)
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["idempotencyKey"])


async def test_half_a_character_is_a_bad_request(house: House, ada: Person) -> None:
    answer = await ask_raw(house, ada, '{"input": {"amount": 100, "idempotencyKey": "\\ud800"}}')
    assert (answer.code, answer.data) == ("BAD_REQUEST", None)


@pytest.mark.parametrize("key", ["x", "x" * 255, "🐎" * 255, " ", "\x00", "a.b$c"], ids=["1", "255", *"hs0o"])
async def test_any_other_key_is_good(house: House, key: str) -> None:
    ada = await house.customer()
    first = await ada.create_deposit(25_00, key=key)
    again = await ada.create_deposit(25_00, key=key)
    assert first["userErrors"] == again["userErrors"] == []
    assert again["idempotency"]["replayed"] is True
    assert await house.count("deposits") == 1


# ------------------------------------------------------------------ who asks


async def test_nobody_may_do_nothing(house: House, ada: Person) -> None:
    nobody = house.nobody()
    for query in ("{ me { id } }", "{ wallet { id } }", "{ wallets { id } }", LEDGER_REPORT):
        assert (await nobody.ask(query)).code == "UNAUTHENTICATED"
    for query in ('{ node(id: "dep_1") { id } }', '{ deposit(id: "dep_1") { id } }'):
        answer = await nobody.ask(query)
        assert answer.code == "UNAUTHENTICATED"
        assert not any((answer.data or {}).values())
    answer = await nobody.ask(CREATE_DEPOSIT, {"input": {"amount": 25_00, "idempotencyKey": "rent"}})
    assert answer.code == "UNAUTHENTICATED"
    assert (await nobody.ask("mutation { signOut { userErrors { code } } }")).code == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "header",
    [
        *("Bearer", "Bearer x", "Bearer a.b.c", "Basic YWRhOnB3", "bearer  ..", "token"),
        *("Bearer " + "x" * 5000, "Bearer {token}x", "{token}", "Bearer {token} {token}"),
    ],
    ids=lambda text: text[:16],
)
async def test_a_token_that_is_malformed_signs_nobody_in(house: House, ada: Person, header: str) -> None:
    token = str(ada.token)
    headers = {"Authorization": header.replace("{token}", token)}
    response = await house.http.post(f"{house.url}/graphql", json={"query": "{ me { id } }"}, headers=headers)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "Bearer" in response.headers["WWW-Authenticate"]
    assert token not in response.text


async def test_an_expired_token_signs_nobody_in(house: House, ada: Person) -> None:
    house.clock.advance(minutes=15, seconds=1)
    assert (await ada.ask("{ me { id } }")).code == "UNAUTHENTICATED"


async def test_a_token_of_another_house_signs_nobody_in(house: House, ada: Person) -> None:
    foreign: list[dict[str, Any]] = [
        {"jwt_keys": [SecretStr("test:another secret of more than 32 bytes")]},
        {"jwt_keys": [SecretStr("other:a-secret-of-the-test-house-32-bytes-long")]},
        {"jwt_issuer": "somebody-else"},
        {"jwt_audience": "somebody-else"},
    ]
    for changed in [{}, *foreign]:
        settings = house.settings.model_copy(update=changed)
        ada.token = token_issuer(settings).issue(ada.id, [Role.CUSTOMER], "ses_1", now=house.clock()).token
        answer = await ada.ask("{ me { id } }")
        assert answer.code == ("UNAUTHENTICATED" if changed else None), changed


async def test_an_unsigned_or_forged_token_signs_nobody_in(house: House, ada: Person) -> None:
    header = jwt.get_unverified_header(str(ada.token))
    claims = jwt.decode(str(ada.token), options={"verify_signature": False}) | {"roles": ["ADMIN"]}
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"]})
    tampered = ".".join([str(ada.token).split(".")[0], unsigned.split(".")[1], str(ada.token).split(".")[2]])
    for token in (unsigned, tampered):
        ada.token = token
        assert (await ada.ask(LEDGER_REPORT)).code == "UNAUTHENTICATED"


async def test_a_contractor_makes_no_deposit(house: House, ada: Person) -> None:
    grace = await house.contractor()
    edith = await house.admin()
    before = await written(house)
    for person in (grace, edith):
        answer = await person.ask(CREATE_DEPOSIT, {"input": {"amount": 25_00, "idempotencyKey": "rent"}})
        assert (answer.code, answer.data) == ("FORBIDDEN", None)
    assert await written(house) == before
    await forget(house, grace, edith)


async def test_the_books_are_for_admins(house: House, ada: Person) -> None:
    assert (await ada.ask(LEDGER_REPORT)).code == "FORBIDDEN"
    edith = await house.admin()
    assert (await edith.data(LEDGER_REPORT))["ledgerReport"]["ok"] is True
    await forget(house, edith)


async def forget(house: House, *people: Person) -> None:
    """As if they had never signed up."""
    for person in people:
        sessions = await house.collection("sessions").find({"user_id": person.id}).to_list()
        ids = [session["_id"] for session in sessions]
        await house.collection("refresh_tokens").delete_many({"session_id": {"$in": ids}})
        await house.collection("sessions").delete_many({"user_id": person.id})
        await house.collection("users").delete_one({"_id": person.id})


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1},
        {"first": 101},
        {"last": 101},
        {"first": 2, "last": 2},
        {"after": "not a cursor"},
        {"before": "_"},
        {"after": "é"},
        {"after": "\x00"},
        {"after": "gICA"},
    ],
    ids=str,
)
async def test_a_page_that_cannot_be_is_a_bad_request(ada: Person, arguments: dict[str, Any]) -> None:
    assert (await ada.ask(PAGE, arguments)).code == "BAD_REQUEST"


@pytest.mark.parametrize("size", [2**31, -(2**31) - 1, 1.5, "2"])
async def test_a_page_size_that_is_no_int_is_a_bad_request(ada: Person, size: Any) -> None:
    assert (await ada.ask(PAGE, {"first": size})).code == "BAD_REQUEST"


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": 101},
        {"after": "c2V2ZW4"},
        {"after": "OTIyMzM3MjAzNjg1NDc3NTgwOA"},
        {"after": "2aM"},
        {"filter": {"createdAfter": "yesterday"}},
        {"filter": {"createdAfter": "2026-01-01T00:00:00"}},
        {"filter": {"createdAfter": 7}},
        {"filter": {"kinds": ["GIFT"]}},
    ],
    ids=["101", "word", "2^63", "arabic digit", "word", "no zone", "number", "kind"],
)
async def test_a_statement_that_cannot_be_is_a_bad_request(house: House, arguments: dict[str, Any]) -> None:
    ada = await house.customer()
    assert (await ada.ask(STATEMENT, arguments)).code == "BAD_REQUEST"


async def test_the_largest_page_is_served(ada: Person) -> None:
    assert (await ada.data(PAGE, {"first": 100}))["me"]["deposits"]["edges"] == []
    assert (await ada.data(PAGE, {"last": 0}))["me"]["deposits"]["edges"] == []
