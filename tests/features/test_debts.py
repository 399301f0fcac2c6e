"""The operators' desk: who owes what."""

from typing import Any

import pytest

from domain.kernel.pages import encode_cursor
from tests.features.test_freezes import freeze
from tests.house import House, Person
from tests.house.adjustments import in_debt
from tests.house.disputes import complain, told
from tests.house.refunds import paid

DEBTS = """
query ($currency: CurrencyCode! = "USD", $first: Int, $after: String, $last: Int, $before: String) {
  debts(currency: $currency, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node {
      owner { id displayName } owed { amount currency } since operation { id state }
      wallet { id available { amount } freezes { cause } }
    } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def debts(admin: Person, **variables: Any) -> list[dict[str, Any]]:
    answer = await admin.data(DEBTS, variables)
    return [edge["node"] for edge in answer["debts"]["edges"]]


async def test_a_debt_shows_who_owes_how_much_and_why(house: House, edith: Person) -> None:
    ada, grace = await house.customer("ada"), await house.contractor("grace")
    deposit = await paid(house, ada, 50_00)
    await ada.hires(grace, usd=40_00)
    dispute = await told(house, await complain(house, deposit))
    [debt] = await debts(edith)
    assert debt["owner"] == {"id": ada.id, "displayName": "ada"}
    assert debt["owed"] == {"amount": 42_00, "currency": "USD"}
    assert debt["operation"] == {"id": dispute["_id"], "state": "NEEDS_RESPONSE"}
    assert debt["since"] is not None
    assert {freeze["cause"] for freeze in debt["wallet"]["freezes"]} == {"DEBT", "DISPUTE"}
    assert debt["wallet"]["available"] == {"amount": -42_00}
    assert await debts(edith, currency="EUR") == []

    # What comes in pays it.
    await house.funded(ada, usd=42_00)
    assert await debts(edith) == []


async def test_the_most_owed_comes_first_page_by_page(house: House, edith: Person) -> None:
    await house.customer("solvent")
    owing = [await house.customer(f"eve{number}") for number in range(5)]
    amounts = [3_00, 1_00, 2_00, 2_00, 5]
    wallets = [await in_debt(house, eve, amount) for eve, amount in zip(owing, amounts, strict=True)]
    await freeze(edith, wallets[0])
    expected = [wallets[0], *sorted([wallets[2], wallets[3]]), wallets[1], wallets[4]]

    seen: list[str] = []
    info: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while info["hasNextPage"]:
        page = (await edith.data(DEBTS, {"first": 2, "after": info["endCursor"]}))["debts"]
        seen += [edge["node"]["wallet"]["id"] for edge in page["edges"]]
        info = page["pageInfo"]
        # A debt that grows meanwhile moves up; nobody else is skipped for it, or met twice.
        if len(seen) == 2:
            await in_debt(house, owing[1], 8_00)
            expected.remove(wallets[1])
    assert seen == expected
    assert [debt["owed"]["amount"] for debt in await debts(edith)] == [9_00, 3_00, 2_00, 2_00, 5]
    backward = (await edith.data(DEBTS, {"last": 2}))["debts"]
    assert [edge["node"]["wallet"]["id"] for edge in backward["edges"]] == expected[-2:]
    before = {"last": 2, "before": backward["pageInfo"]["startCursor"]}
    assert [debt["wallet"]["id"] for debt in await debts(edith, **before)] == expected[:2]


@pytest.mark.parametrize(
    "variables",
    [
        {"currency": "usd"},
        {"currency": "DOLLARS"},
        {"first": 101},
        {"after": "%"},
        *(
            {"after": encode_cursor(cursor)}
            for cursor in ("wal_1", "-5:wal_1", "0:wal_1", "1e3:wal_1", f"{2**53}:w")
        ),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(edith: Person, variables: dict[str, Any]) -> None:
    answer = await edith.ask(DEBTS, variables)
    assert answer.code == "BAD_REQUEST"
    assert answer.data is None


async def test_debts_are_for_admins(house: House) -> None:
    for person in (await house.customer(), await house.contractor()):
        assert (await person.ask(DEBTS)).code == "FORBIDDEN"
    assert (await house.nobody().ask(DEBTS)).code == "UNAUTHENTICATED"
