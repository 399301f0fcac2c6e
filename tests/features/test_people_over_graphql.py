"""Signing up, in and out, as a front end does it."""

from typing import Any

import pytest
from ulid import ULID

from tests.house import House, Person

SESSION = """
    session {
      accessToken accessTokenExpiresAt refreshToken refreshTokenExpiresAt
      user { id email displayName roles createdAt }
    }
    userErrors { __typename code message path }
"""
SIGN_UP = f"mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ {SESSION} }} }}"
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {SESSION} }} }}"
REFRESH = f"mutation ($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {SESSION} }} }}"
SIGN_OUT = "mutation ($input: SignOutInput) { signOut(input: $input) { userErrors { code } } }"
ME = "{ me { id email displayName roles } }"


def somebody(**changes: Any) -> dict[str, Any]:
    return {
        "email": f"Ada.{ULID()}@example.com",
        "password": "correct horse",
        "displayName": "Ada Lovelace",
        "roles": ["CUSTOMER"],
    } | changes


async def answer(person: Person, query: str, **command: Any) -> dict[str, Any]:
    """The payload of the one mutation."""
    [payload] = (await person.data(query, {"input": command})).values()
    return dict(payload)


async def session_of(person: Person, query: str, **command: Any) -> dict[str, Any]:
    """The session that comes of it; the person goes on with it."""
    payload = await answer(person, query, **command)
    assert payload["userErrors"] == []
    person.take(payload["session"])
    return dict(payload["session"])


async def refusal(person: Person, query: str, **command: Any) -> tuple[str, list[str]]:
    """Code and path of the one error."""
    payload = await answer(person, query, **command)
    assert payload["session"] is None
    [error] = payload["userErrors"]
    assert error["__typename"] == "InputError"
    return error["code"], error["path"]


async def test_who_signs_up_is_signed_in(house: House) -> None:
    person, ada = somebody(roles=["CONTRACTOR", "CUSTOMER"]), house.nobody()

    session = await session_of(ada, SIGN_UP, **person)

    user = session["user"]
    assert user["id"].startswith("usr_")
    assert (user["email"], user["displayName"]) == (person["email"], "Ada Lovelace")
    assert user["roles"] == ["CUSTOMER", "CONTRACTOR"]
    assert session["accessTokenExpiresAt"] < session["refreshTokenExpiresAt"]
    assert (await ada.data(ME))["me"] == {
        name: user[name] for name in ("id", "email", "displayName", "roles")
    }


async def test_signing_in_again_is_a_session_of_its_own(house: House) -> None:
    person, here, there = somebody(), house.nobody(), house.nobody()
    await session_of(here, SIGN_UP, **person)

    await session_of(there, SIGN_IN, email=person["email"].upper(), password=person["password"])

    assert there.id == here.id
    assert there.refresh_token != here.refresh_token
    await answer(there, SIGN_OUT)
    await session_of(here, REFRESH, refreshToken=here.refresh_token)


async def test_an_address_is_taken_once(house: House) -> None:
    person = somebody()
    await session_of(house.nobody(), SIGN_UP, **person)

    again = somebody(email=person["email"].upper(), password="another password")

    assert await refusal(house.nobody(), SIGN_UP, **again) == ("EMAIL_TAKEN", ["email"])
    assert await house.count("users") == 1


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"email": "ada"}, "email"),
        ({"password": "short"}, "password"),
        ({"displayName": " "}, "displayName"),
        ({"roles": []}, "roles"),
        ({"roles": ["ADMIN"]}, "roles"),
        ({"roles": ["CUSTOMER", "ADMIN"]}, "roles"),
    ],
    ids=str,
)
async def test_bad_input_names_its_field(house: House, changes: dict[str, Any], path: str) -> None:
    assert await refusal(house.nobody(), SIGN_UP, **somebody(**changes)) == ("INVALID_INPUT", [path])
    assert await house.count("users") == 0


async def test_a_wrong_address_and_a_wrong_password_are_the_same(house: House) -> None:
    person = somebody()
    await session_of(house.nobody(), SIGN_UP, **person)

    answers = [
        await answer(house.nobody(), SIGN_IN, email=email, password=password)
        for email, password in [
            (person["email"], "wrong password"),
            ("nobody@example.com", person["password"]),
            ("no address", ""),
        ]
    ]

    assert answers[0]["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
    assert answers[0] == answers[1] == answers[2]


async def test_refreshing_needs_no_access_token_and_rotates(house: House) -> None:
    ada = await house.customer()
    first = ada.refresh_token
    house.clock.advance(hours=1)
    assert (await ada.ask(ME)).code == "UNAUTHENTICATED"
    ada.token = None

    await session_of(ada, REFRESH, refreshToken=first)

    assert ada.refresh_token != first
    assert (await ada.data(ME))["me"]["id"] == ada.id


async def test_a_refresh_token_that_comes_again_kills_the_family(house: House) -> None:
    ada, thief = await house.customer(), house.nobody()
    stolen = ada.refresh_token
    await session_of(ada, REFRESH, refreshToken=stolen)

    assert await refusal(thief, REFRESH, refreshToken=stolen) == ("REFRESH_TOKEN_REUSED", ["refreshToken"])

    code, _path = await refusal(ada, REFRESH, refreshToken=ada.refresh_token)
    assert code == "INVALID_CREDENTIALS"


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 10_000])
async def test_a_refresh_token_that_is_none_is_refused(house: House, token: str) -> None:
    code, _path = await refusal(house.nobody(), REFRESH, refreshToken=token)
    assert code == "INVALID_CREDENTIALS"


async def test_signing_out_ends_the_session(house: House) -> None:
    ada = await house.customer()

    for _ in range(2):
        assert await answer(ada, SIGN_OUT) == {"userErrors": []}

    assert (await refusal(ada, REFRESH, refreshToken=ada.refresh_token))[0] == "INVALID_CREDENTIALS"


async def test_signing_out_everywhere_ends_every_session(house: House) -> None:
    person, here, there = somebody(), house.nobody(), house.nobody()
    await session_of(here, SIGN_UP, **person)
    await session_of(there, SIGN_IN, email=person["email"], password=person["password"])

    await answer(here, SIGN_OUT, everywhere=True)

    for one in (here, there):
        assert (await refusal(one, REFRESH, refreshToken=one.refresh_token))[0] == "INVALID_CREDENTIALS"


async def test_others_see_a_name_and_no_address(house: House) -> None:
    ada, charles, edith = await house.customer(), await house.customer("charles"), await house.admin()
    query = "query ($id: ID!) { node(id: $id) { ... on User { email } } }"

    assert (await ada.data(query, {"id": ada.id}))["node"] == {"email": ada.email}
    assert (await charles.data(query, {"id": ada.id}))["node"] is None
    assert (await edith.data(query, {"id": ada.id}))["node"] == {"email": ada.email}


async def test_a_persons_deposits_are_theirs_whoever_looks(house: House) -> None:
    ada, edith = await house.customer(), await house.admin()
    deposit = await ada.deposits(usd=25_00)
    query = "query ($id: ID!) { node(id: $id) { ... on User { deposits { edges { node { id } } } } } }"

    assert (await edith.data(query, {"id": ada.id}))["node"]["deposits"]["edges"] == [
        {"node": {"id": deposit["id"]}}
    ]
    assert (await edith.data(query, {"id": edith.id}))["node"]["deposits"]["edges"] == []
