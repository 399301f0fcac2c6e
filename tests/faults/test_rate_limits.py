"""Rate limits hold without Redis too: each process counts for itself, says so, and goes back when it can."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from ulid import ULID

from domain.kernel.budget import Budget
from domain.kernel.errors import RateLimited
from server.rates import Rate
from server.stand_in import StandIn
from tests.house import House, Person

FALLBACK = 'jobsphere_rate_limit_fallback_total{budget="deposits"}'


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


async def metric(house: House, sample: str) -> float:
    """Its value, as whoever is on call reads it."""
    lines = (await house.http.get(f"{house.url}/metrics")).text.splitlines()
    return next((float(line.removeprefix(sample)) for line in lines if line.startswith(sample)), 0.0)


async def told(person: Person, count: int, *, key: str | None = None) -> Counter[str]:
    """What becomes of so many deposits at once, under `key` or each under its own."""
    payloads = await asyncio.gather(*(person.create_deposit(1_00, key=key) for _ in range(count)))
    return Counter(_outcome(payload) for payload in payloads)


def _outcome(payload: dict[str, Any]) -> str:
    if payload["userErrors"]:
        return str(payload["userErrors"][0]["code"])
    return "replayed" if payload["idempotency"]["replayed"] else "made"


async def refused(budget: Budget, *subjects: str, member: str | None = None) -> bool:
    try:
        await budget.spend(*subjects, member=member or str(ULID()))
    except RateLimited:
        return True
    return False


async def test_without_redis_the_process_counts_for_itself(house: House, ada: Person) -> None:
    before = await metric(house, FALLBACK)
    async with house.limited(deposits="3/hour"), house.redis_away():
        assert await told(ada, 20) == {"made": 3, "RATE_LIMITED": 17}
        assert await metric(house, FALLBACK) == before + 20
        grace = await house.customer("grace")
        assert await told(grace, 1) == {"made": 1}


async def test_without_redis_replays_and_copies_count_once_too(house: House, ada: Person) -> None:
    async with house.limited(deposits="2/hour"), house.redis_away():
        assert await told(ada, 10, key="rent") == {"made": 1, "replayed": 9}
        assert await told(ada, 3) == {"made": 1, "RATE_LIMITED": 2}
        assert await told(ada, 3, key="rent") == {"replayed": 3}


async def test_it_goes_back_to_redis_by_itself(house: House, ada: Person) -> None:
    async with house.limited(deposits="2/hour") as limits:
        await limits.deposits.spend("ada", member="before")
        async with house.redis_away():
            await limits.deposits.spend("ada", member="meanwhile")
        alone = await metric(house, FALLBACK)

        # What came back is empty: it counts from here on, and what was counted without it is forgotten.
        assert await told(ada, 4) == {"made": 2, "RATE_LIMITED": 2}
        assert await metric(house, FALLBACK) == alone
        assert await house.jobs(f"limit:deposits:{ada.id}") == 1


async def test_a_redis_that_hangs_keeps_nobody_waiting(house: House, ada: Person) -> None:
    async with house.limited(deposits="3/hour"):
        await ada.deposits(usd=1_00)  # on a connection that is open
        before = await metric(house, FALLBACK)
        async with house.redis_hanging():
            start = time.monotonic()
            assert await told(ada, 1) == {"made": 1}
            assert time.monotonic() - start < 1.5
            assert await told(ada, 9) == {"made": 2, "RATE_LIMITED": 7}
            assert await metric(house, FALLBACK) == before + 10

        async def asked_again() -> bool:
            counted = await metric(house, FALLBACK)
            await ada.create_deposit(1_00)
            return await metric(house, FALLBACK) == counted

        await house.until(asked_again)


async def test_a_process_that_is_late_does_not_take_it_for_redis_fault(house: House) -> None:
    """For longer than Redis is given, the loop comes round to nothing: its answers are there all the same."""
    before = await metric(house, FALLBACK)
    loop = asyncio.get_running_loop()
    async with house.limited(deposits="5/hour") as limits:
        for n in range(3):
            loop.call_soon(lambda: loop.call_soon(time.sleep, 0.7))
            refusals = await asyncio.gather(*(refused(limits.deposits, f"ada{n}") for _ in range(20)))
            assert Counter(refusals) == {False: 5, True: 15}
    assert await metric(house, FALLBACK) == before


async def test_a_redis_that_forgot_the_script_is_taught_it_again(house: House, ada: Person) -> None:
    async with house.limited(deposits="3/hour"):
        await ada.deposits(usd=1_00)
        before = await metric(house, FALLBACK)
        await house.forget_scripts()
        assert await told(ada, 3) == {"made": 2, "RATE_LIMITED": 1}
        assert await metric(house, FALLBACK) == before


async def test_refusals_are_counted_for_whoever_is_on_call(house: House, ada: Person) -> None:
    sample = 'jobsphere_rate_limited_total{budget="deposits"}'
    before = await metric(house, sample)
    async with house.limited(deposits="1/hour"):
        await told(ada, 4)
    assert await metric(house, sample) == before + 3


# ------------------------------------------------------------------ the stand-in's own promises


async def test_the_stand_in_slides_as_redis_does(house: House) -> None:
    async with house.limited(deposits="2/second") as limits, house.redis_away():
        budget = limits.deposits
        assert not await refused(budget, "ada", member="a")
        assert not await refused(budget, "ada", member="b")
        with pytest.raises(RateLimited) as refusal:
            await budget.spend("ada", member="c")
        assert (refusal.value.retry_after_s, refusal.value.limit, refusal.value.window_s) == (1, 2, 1)
        assert not await refused(budget, "ada", member="a")  # again

        async def allowed() -> bool:
            return not await refused(budget, "ada")

        await house.until(allowed, timeout_s=2)


async def test_the_stand_in_counts_for_all_or_for_none() -> None:
    stand_in = StandIn(Rate(limit=2, window_s=3600))
    for member in "ab":
        assert await stand_in.wait_s(["account"], member) == 0

    for member in "cde":
        assert 3590 < await stand_in.wait_s(["place", "account"], member) <= 3600
    # Known for the account, new for the place: it counts where it is new.
    assert await stand_in.wait_s(["place", "account"], "a") == 0
    assert await stand_in.wait_s(["place"], "f") == 0
    assert await stand_in.wait_s(["place"], "g") > 0


async def test_the_stand_in_looks_ahead_as_redis_does(house: House) -> None:
    async with house.limited(withdrawals="2/hour") as limits, house.redis_away():
        budget = limits.withdrawals
        for member in "ab":
            for _ in range(3):
                assert await budget.room("ada") is None
            await budget.spend("ada", member=member)
        refusal = await budget.room("ada")
        assert refusal is not None
        assert 3590 < refusal.retry_after_s <= 3600
        assert not await refused(budget, "ada", member="a")
        assert await budget.room("grace") is None


async def test_the_stand_in_forgets_what_left_the_window(house: House) -> None:
    stand_in = StandIn(Rate(limit=1, window_s=1))
    assert await stand_in.wait_s(["ada"], "rent") == 0
    assert await stand_in.wait_s(["ada"], "rent") == 0

    async def other_allowed() -> bool:
        return await stand_in.wait_s(["ada"], "food") == 0

    await house.until(other_allowed, timeout_s=2)
    # Counted an age ago, and so as new as any.
    assert await stand_in.wait_s(["ada"], "rent") > 0
