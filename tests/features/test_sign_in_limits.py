"""Guessing passwords: so many attempts from one place, and so many at one account."""

import statistics
import time
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
import redis.asyncio as redis

from domain import identity
from domain.identity import SignIn, TokenIssuer
from domain.kernel.errors import InvalidCredentials, RateLimited
from tests.house import House, Person

SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) {
    session { accessToken refreshToken user { id email } }
    userErrors {
      __typename code path
      ... on RateLimitedError { retryAfterSeconds limit windowSeconds }
    }
  }
}
"""
REFRESH = """
mutation ($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    session { accessToken refreshToken user { id email } }
    userErrors { code }
  }
}
"""
PASSWORD = "correct horse"
WRONG = "wrong horse"
HERE = "198.51.100.1"


class Guesser:
    """Somebody at an address, as the proxy in front of the house tells it."""

    def __init__(self, house: House, url: str | None = None) -> None:
        self._http = house.http
        self._url = f"{url or house.url}/graphql"

    async def post(self, email: str, password: str, forwarded_for: str) -> httpx.Response:
        body = {"query": SIGN_IN, "variables": {"input": {"email": email, "password": password}}}
        return await self._http.post(self._url, json=body, headers={"X-Forwarded-For": forwarded_for})

    async def told(self, email: str, password: str = WRONG, *, at: str = HERE) -> str:
        """The error's code, or `in`."""
        payload = (await self.post(email, password, at)).json()["data"]["signIn"]
        return str(payload["userErrors"][0]["code"]) if payload["userErrors"] else "in"


@pytest.fixture
def guesser(house: House) -> Guesser:
    return Guesser(house)


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


async def test_one_address_over_many_accounts(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        for n in range(3):
            assert await guesser.told(f"guess{n}@example.com") == "INVALID_CREDENTIALS"

        assert await guesser.told("guess4@example.com") == "RATE_LIMITED"
        assert await guesser.told(ada.email, PASSWORD) == "RATE_LIMITED"
        assert await guesser.told(ada.email, PASSWORD, at="198.51.100.2") == "in"


async def test_one_account_from_many_addresses(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        for n in range(3):
            assert await guesser.told(ada.email, at=f"203.0.113.{n}") == "INVALID_CREDENTIALS"

        assert await guesser.told(ada.email, at="203.0.113.9") == "RATE_LIMITED"
        assert await guesser.told(ada.email, PASSWORD, at="203.0.113.10") == "RATE_LIMITED"
        assert await guesser.told("other@example.com", at="203.0.113.9") == "INVALID_CREDENTIALS"


async def test_letter_case_makes_no_other_account(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        for n, spelled in enumerate((ada.email, ada.email.upper(), f"  {ada.email.title()} ")):
            assert await guesser.told(spelled, at=f"203.0.113.{n}") == "INVALID_CREDENTIALS"
        assert await guesser.told(ada.email.swapcase(), at="203.0.113.9") == "RATE_LIMITED"


async def test_nobodys_account_is_limited_like_somebodys(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        answers: dict[str, list[Any]] = {}
        for email in (ada.email, "nobody@example.com"):
            for n in range(5):
                response = await guesser.post(email, WRONG, f"203.0.113.{n}")
                [error] = response.json()["data"]["signIn"]["userErrors"]
                error.pop("retryAfterSeconds", None)
                answers.setdefault(email, []).append(error)
            # Each account meets the five addresses afresh.
            await house.empty_redis()

    assert answers[ada.email] == answers["nobody@example.com"]
    assert [error["code"] for error in answers[ada.email]] == ["INVALID_CREDENTIALS"] * 3 + [
        "RATE_LIMITED"
    ] * 2


async def test_a_good_password_counts_too(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        for n in range(3):
            assert await guesser.told(ada.email, PASSWORD, at=f"203.0.113.{n}") == "in"
        assert await guesser.told(ada.email, PASSWORD, at="203.0.113.9") == "RATE_LIMITED"


async def test_what_one_limit_refuses_does_not_count_for_the_other(
    house: House, guesser: Guesser, ada: Person
) -> None:
    async with house.limited(sign_in="3/15minute"):
        for n in range(3):
            await guesser.told(ada.email, at=f"203.0.113.{n}")
        for _ in range(5):
            assert await guesser.told(ada.email) == "RATE_LIMITED"
        for n in range(3):
            assert await guesser.told(f"guess{n}@example.com") == "INVALID_CREDENTIALS"
        assert await guesser.told("guess4@example.com") == "RATE_LIMITED"


async def test_it_is_over_after_the_time_that_was_told(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="2/15minute"):
        await guesser.told(ada.email)
        await house.time_passes_for_limits(300)
        await guesser.told(ada.email)

        refused = await guesser.post(ada.email, PASSWORD, HERE)
        payload = refused.json()["data"]["signIn"]
        [error] = payload["userErrors"]
        assert payload["session"] is None
        assert (error["__typename"], error["limit"], error["windowSeconds"]) == ("RateLimitedError", 2, 900)
        assert 600 - 30 < error["retryAfterSeconds"] <= 600
        assert refused.headers["retry-after"] == str(error["retryAfterSeconds"])

        await house.time_passes_for_limits(error["retryAfterSeconds"])
        assert await guesser.told(ada.email, PASSWORD) == "in"
        assert await guesser.told(ada.email, PASSWORD) == "RATE_LIMITED"


async def test_no_password_is_looked_at_over_the_limit(house: House) -> None:
    """Hashing one costs a tenth of a second of a processor: that is what a flood would be after."""
    issuer = TokenIssuer({"test": "a signing key of thirty-two bytes or more"}, issuer="a", audience="b")

    async def seconds(attempt: Awaitable[object], refusal: type[Exception]) -> float:
        start = time.perf_counter()
        with pytest.raises(refusal):
            await attempt
        return time.perf_counter() - start

    def attempt(email: str) -> Awaitable[object]:
        command = SignIn(email=email, password=WRONG)
        return identity.sign_in(house.runtime, issuer, command, client=email, budget=limits.sign_in)

    async with house.limited(sign_in="5/hour") as limits:
        looked_at = [await seconds(attempt("a@example.com"), InvalidCredentials) for _ in range(5)]
        refused = [await seconds(attempt("a@example.com"), RateLimited) for _ in range(5)]
    assert statistics.median(refused) < statistics.median(looked_at) / 2


async def test_redis_is_told_no_address(house: House, guesser: Guesser, ada: Person) -> None:
    async with house.limited(sign_in="3/15minute"):
        await guesser.told(ada.email, at="203.0.113.77")
        async with redis.from_url(house.parts.valkey.url) as client:  # type: ignore[no-untyped-call]
            keys = await client.keys("limit:*")
            told = [*keys, *[member for key in keys for member in await client.zrange(key, 0, -1)]]
    assert len(keys) == 2
    assert not [text for text in told if b"203.0.113" in text or b"@" in text or b"ada." in text]


async def test_signing_up_and_going_on_are_free(house: House, ada: Person) -> None:
    async with house.limited(sign_in="1/15minute"):
        for _ in range(3):
            used = {"input": {"refreshToken": ada.refresh_token}}
            ada.take((await ada.data(REFRESH, used))["refreshSession"]["session"])
            await house.customer()


async def test_a_stranger_cannot_hide_behind_a_header(house: House, guesser: Guesser) -> None:
    """What stands left of the address that the proxy wrote is the caller's own tale."""
    async with house.limited(sign_in="2/15minute"):
        told = [await guesser.told(f"g{n}@example.com", at=f"203.0.113.{n}, {HERE}") for n in range(3)]
    assert told == ["INVALID_CREDENTIALS"] * 2 + ["RATE_LIMITED"]


async def test_a_header_is_nothing_where_no_proxy_is_trusted(house: House) -> None:
    """As a process is started without the setting; not even its own machine is believed."""
    async with house.another_api(trusted_proxies="", rate_limit_sign_in="2/15minute") as url:
        guesser = Guesser(house, url)
        told = [await guesser.told(f"g{n}@example.com", at=f"203.0.113.{n}") for n in range(3)]
    assert told == ["INVALID_CREDENTIALS"] * 2 + ["RATE_LIMITED"]
