"""How often money may be brought in: exactly so often, whoever counts, and however often one asks again."""

import asyncio
import random
from collections import Counter
from typing import Any

import httpx
import pytest
from ulid import ULID

from domain.kernel.budget import Budget
from domain.kernel.errors import RateLimited
from tests.house import House, Person
from tests.house.people import CREATE_DEPOSIT

HOUR_S = 3600


def codes(payloads: list[dict[str, Any]]) -> Counter[str]:
    """How often each came: an error's code, or `made` and `replayed`."""
    return Counter(
        payload["userErrors"][0]["code"]
        if payload["userErrors"]
        else ("replayed" if payload["idempotency"]["replayed"] else "made")
        for payload in payloads
    )


async def deposits_of(person: Person, count: int) -> list[dict[str, Any]]:
    """What becomes of so many at once, each under a key of its own."""
    return list(await asyncio.gather(*(person.create_deposit(1_00) for _ in range(count))))


async def refusal_of(budget: Budget, subject: str, member: str) -> RateLimited | None:
    try:
        await budget.spend(subject, member=member)
    except RateLimited as refusal:
        return refusal
    return None


# ------------------------------------------------------------------ so often


async def test_of_fifty_at_once_five_are_made(house: House) -> None:
    ada, grace = await house.customer("ada"), await house.customer("grace")
    async with house.limited(deposits="5/hour"):
        payloads = await deposits_of(ada, 50)

        assert codes(payloads) == {"made": 5, "RATE_LIMITED": 45}
        assert await house.count("deposits", owner=ada.id) == 5
        assert len(await house.stripe.objects("payment_intent")) == 5
        refused = next(payload for payload in payloads if payload["userErrors"])
        [error] = refused["userErrors"]
        assert refused["deposit"] is refused["idempotency"] is None
        assert error["__typename"] == "RateLimitedError"
        assert (error["limit"], error["windowSeconds"], error["path"]) == (5, HOUR_S, [])
        assert HOUR_S - 60 < error["retryAfterSeconds"] <= HOUR_S
        assert str(error["retryAfterSeconds"]) in error["message"]
        # Everybody has a window of their own.
        assert codes(await deposits_of(grace, 5)) == {"made": 5}


async def test_two_processes_share_one_limit(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="7/hour"), house.another_api(rate_limit_deposits="7/hour") as url:
        there = Person(f"{url}/graphql", house.http)
        there.token = ada.token
        here_and_there = await asyncio.gather(deposits_of(ada, 10), deposits_of(there, 10))

    assert codes([payload for payloads in here_and_there for payload in payloads]) == {
        "made": 7,
        "RATE_LIMITED": 13,
    }
    assert await house.count("deposits") == 7


async def test_the_window_slides(house: House) -> None:
    """What is refused does not count; what leaves the window makes room for one, when it was told."""
    ada = await house.customer()
    async with house.limited(deposits="3/hour"):
        for _ in range(3):
            await ada.deposits(usd=1_00)
            await house.time_passes_for_limits(600)
        first_refusal = (await ada.create_deposit(1_00))["userErrors"][0]["retryAfterSeconds"]
        assert HOUR_S - 1800 - 30 < first_refusal <= HOUR_S - 1800

        await house.time_passes_for_limits(first_refusal - 1.5)
        assert codes(await deposits_of(ada, 5)) == {"RATE_LIMITED": 5}

        await house.time_passes_for_limits(1.5)
        payloads = await deposits_of(ada, 5)
        assert codes(payloads) == {"made": 1, "RATE_LIMITED": 4}
        # The next to leave came ten minutes after the first.
        told = {error["retryAfterSeconds"] for payload in payloads for error in payload["userErrors"]}
        assert all(600 - 30 < seconds <= 600 for seconds in told)


async def test_no_window_ever_holds_more_and_none_less(house: House) -> None:
    """A random walk through days, against the plainest model of what a sliding window is."""
    chance = random.Random(7)
    now, counted = 0, dict[str, int]()
    async with house.limited(deposits="5/hour") as limits:
        for _ in range(300):
            # Real time goes on too, by less than the least step: what leaves at a step has left.
            if chance.random() < 0.4:
                step = 100 * chance.choice((1, 2, 5, 18, 36))
                now += step
                await house.time_passes_for_limits(step)
                continue
            member = str(chance.randrange(60))
            counted = {name: at for name, at in counted.items() if now - at < HOUR_S}
            refusal = await refusal_of(limits.deposits, "ada", member)
            if member in counted or len(counted) < 5:
                assert refusal is None
                counted.setdefault(member, now)
            else:
                assert refusal is not None
                wait_s = min(counted.values()) + HOUR_S - now
                assert wait_s - 60 < refusal.retry_after_s <= wait_s


async def test_a_lowered_limit_waits_until_enough_have_left(house: House) -> None:
    async with house.limited(deposits="4/hour") as limits:
        for member in "abcd":
            await limits.deposits.spend("ada", member=member)
            await house.time_passes_for_limits(100)
    async with house.limited(deposits="2/hour") as limits:
        refusal = await refusal_of(limits.deposits, "ada", "e")
        assert refusal is not None
        # a, b and c have to leave; c came 200 seconds ago.
        assert HOUR_S - 230 < refusal.retry_after_s <= HOUR_S - 200
        await limits.deposits.spend("ada", member="a")


async def test_a_window_in_real_time(house: House) -> None:
    """No clock is moved here: three a second are three in every second."""
    async with house.limited(deposits="3/second") as limits:

        async def allowed() -> bool:
            return await refusal_of(limits.deposits, "ada", str(ULID())) is None

        assert [await allowed() for _ in range(3)] == [True] * 3
        refusal = await refusal_of(limits.deposits, "ada", "one more")
        assert refusal is not None
        assert (refusal.retry_after_s, refusal.limit, refusal.window_s) == (1, 3, 1)
        await house.until(allowed)
        # Nothing stays behind when nobody comes any more.
        await house.until(lambda: _nothing_counted(house))


async def _nothing_counted(house: House) -> bool:
    return await house.jobs("limit:") == 0


# ------------------------------------------------------------------ what does not count


async def test_a_replay_is_answered_over_the_limit_too(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="2/hour"):
        made = [await ada.create_deposit(1_00, key=key) for key in ("rent", "food")]
        assert codes([await ada.create_deposit(1_00)]) == {"RATE_LIMITED": 1}

        for _ in range(3):
            replays = [await ada.create_deposit(1_00, key=key) for key in ("rent", "food")]
            assert codes(replays) == {"replayed": 2}
            assert [r["deposit"]["id"] for r in replays] == [m["deposit"]["id"] for m in made]


async def test_a_replay_costs_nothing(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="2/hour"):
        for _ in range(5):
            await ada.create_deposit(1_00, key="rent")
        assert codes(await deposits_of(ada, 3)) == {"made": 1, "RATE_LIMITED": 2}


async def test_racing_copies_count_once(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="2/hour"):
        copies = [ada.create_deposit(1_00, key="rent") for _ in range(25)]
        payloads = list(await asyncio.gather(*copies))

        assert codes(payloads) == {"made": 1, "replayed": 24}
        assert len({payload["deposit"]["id"] for payload in payloads}) == 1
        assert codes(await deposits_of(ada, 3)) == {"made": 1, "RATE_LIMITED": 2}


async def test_a_key_that_was_counted_but_made_nothing_is_not_counted_again(house: House) -> None:
    """The database failed between the two: whoever tries again is not punished for it."""
    ada = await house.customer()
    async with house.limited(deposits="1/hour"):
        command = {"input": {"amount": 1_00, "idempotencyKey": "rent"}}
        async with house.mongo_failing("insert", "deposits", times=1):
            assert (await ada.ask(CREATE_DEPOSIT, command)).code == "INTERNAL_SERVER_ERROR"
        assert await house.count("deposits") == 0

        assert codes([await ada.create_deposit(1_00)]) == {"RATE_LIMITED": 1}
        assert codes([await ada.create_deposit(1_00, key="rent")]) == {"made": 1}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"amount": 99}, "INVALID_INPUT"),
        ({"amount": 1_00, "currency": "XXX"}, "INVALID_INPUT"),
        ({"amount": 1_00, "key": "k" * 256}, "INVALID_INPUT"),
        ({"amount": 2_00, "key": "rent"}, "IDEMPOTENCY_KEY_REUSED"),
        ({"amount": 1_00, "currency": "EUR"}, "WALLET_FROZEN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_call_that_is_refused_for_another_reason_does_not_count(
    house: House, command: dict[str, Any], code: str
) -> None:
    ada = await house.customer()
    await ada.data('{ wallet(currency: "EUR") { id } }')
    freeze = {"cause": "ADMIN", "operation": "adj_1", "by": "usr_1", "at": house.clock(), "reason": "a test"}
    await house.collection("wallets").update_one(
        {"owner": ada.id, "currency": "EUR"},
        {"$set": {"freezes": [freeze]}},
    )
    async with house.limited(deposits="2/hour"):
        await ada.create_deposit(1_00, key="rent")
        for _ in range(3):
            assert codes([await ada.create_deposit(**command)]) == {code: 1}
        assert codes(await deposits_of(ada, 2)) == {"made": 1, "RATE_LIMITED": 1}
        # Over the limit each is still told what is wrong with it.
        assert codes([await ada.create_deposit(**command)]) == {code: 1}


async def test_a_refused_call_writes_nothing(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="1/hour"):
        await ada.create_deposit(1_00, key="rent")
        before = await house.stripe.state()
        refused = await ada.create_deposit(1_00, key="food")

        assert codes([refused]) == {"RATE_LIMITED": 1}
        assert await house.count("deposits") == 1
        assert (await house.stripe.state())["objects"] == before["objects"]
        # The key is still good for its first use.
        await house.time_passes_for_limits(HOUR_S)
        assert codes([await ada.create_deposit(1_00, key="food")]) == {"made": 1}


# ------------------------------------------------------------------ looking ahead


async def test_room_tells_what_a_new_member_would_be_told(house: House) -> None:
    async with house.limited(withdrawals="2/hour") as limits:
        budget = limits.withdrawals
        for member in "ab":
            assert await budget.room("ada") is None
            await budget.spend("ada", member=member)
            await house.time_passes_for_limits(600)

        ahead, told = await budget.room("ada"), await refusal_of(budget, "ada", "c")
        assert ahead is not None
        assert told is not None
        assert abs(ahead.retry_after_s - told.retry_after_s) <= 1
        assert (ahead.limit, ahead.window_s, ahead.code) == (2, HOUR_S, told.code)
        # A member that is in may come again; whoever is new may not, until the first has left.
        assert await refusal_of(budget, "ada", "a") is None
        assert await budget.room("ada") is not None
        assert await budget.room("grace") is None
        await house.time_passes_for_limits(ahead.retry_after_s)
        assert await budget.room("ada") is None


async def test_looking_counts_nothing(house: House) -> None:
    async with house.limited(withdrawals="2/hour") as limits:
        for _ in range(10):
            assert await limits.withdrawals.room("ada") is None
        assert await house.jobs("limit:") == 0
        looks = [limits.withdrawals.room("ada") for _ in range(20)]
        spends = [refusal_of(limits.withdrawals, "ada", member) for member in "abc"]
        *_, a, b, c = await asyncio.gather(*looks, *spends)
        assert [a, b, c].count(None) == 2
        assert await house.jobs("limit:withdrawals:ada") == 1


async def test_budgets_do_not_share_a_window(house: House) -> None:
    async with house.limited(deposits="1/hour", withdrawals="1/hour") as limits:
        await limits.deposits.spend("ada", member="rent")
        assert await limits.withdrawals.room("ada") is None
        assert await limits.deposits.room("ada") is not None


# ------------------------------------------------------------------ how it is told


async def test_http_says_when_to_come_again(house: House) -> None:
    ada = await house.customer()

    async def create(key: str) -> httpx.Response:
        command = {"input": {"amount": 1_00, "idempotencyKey": key}}
        body = {"query": CREATE_DEPOSIT, "variables": command}
        return await house.http.post(f"{house.url}/graphql", json=body, headers=ada.headers)

    async with house.limited(deposits="1/hour"):
        assert "retry-after" not in (await create("rent")).headers
        refused = await create("food")
        [error] = refused.json()["data"]["createDeposit"]["userErrors"]
        assert refused.status_code == 200
        assert refused.headers["retry-after"] == str(error["retryAfterSeconds"])
        assert "retry-after" not in (await create("rent")).headers


async def test_a_socket_is_told_as_data(house: House) -> None:
    ada = await house.customer()
    async with house.limited(deposits="1/hour"):
        await ada.create_deposit(1_00)
        command = {"input": {"amount": 1_00, "idempotencyKey": "food"}}
        async with ada.subscribe(CREATE_DEPOSIT, command) as answers:
            answer = await answers.next() or {}
        assert codes([answer["createDeposit"]]) == {"RATE_LIMITED": 1}
