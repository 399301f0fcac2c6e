"""Redis is only the doorbell: stopped, emptied or with nobody listening, it loses no deposit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis
from arq.constants import default_queue_name, in_progress_key_prefix

from domain.dispatch import HANDLE_EVENT
from domain.kernel.doorbell import DoorbellSilent
from tests.house import House, Person


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Person]:
    """She has paid once, so everything is under way; in the end the books are sound."""
    ada = await house.customer()
    await paid(house, ada)
    yield ada
    assert await house.ledger_is_sound()


async def paid(house: House, person: Person) -> dict[str, Any]:
    """A deposit of $1, once it is settled."""
    deposit = await person.deposits(usd=1_00)
    await house.pay(deposit)
    return await house.settled(person, deposit)


async def arq_is_back(house: House) -> None:
    """A bell is heard by the worker again, and not only by the sweep."""

    async def heard() -> bool:
        try:
            await house.runtime.doorbell.ring(HANDLE_EVENT, "evt_nothing")
        except DoorbellSilent:
            return False
        await asyncio.sleep(0.1)
        return await house.jobs() == 0

    await house.until(heard)


async def test_deposits_go_on_without_redis(house: House, ada: Person) -> None:
    """Nobody can be rung: the process that takes an event in handles it itself, after its answer."""
    await house.stop_worker()
    try:
        async with house.redis_away():
            settled = await paid(house, ada)
            assert settled["history"][-1]["actor"] == "webhook"
            assert await ada.available() == 2_00
    finally:
        await house.start_worker()

    await arq_is_back(house)
    await paid(house, ada)
    assert await ada.available() == 3_00


async def test_redis_stops_while_events_come_in(house: House, ada: Person) -> None:
    deposits = [await ada.deposits(usd=1_00) for _ in range(10)]
    await house.stripe.webhooks(duplicate=1, delay_ms=100)
    paying = asyncio.gather(*(house.pay(deposit) for deposit in deposits))
    async with house.redis_away():
        await paying
        await asyncio.sleep(0.3)

    for deposit in deposits:
        await house.settled(ada, deposit)
    assert await ada.available() == 11_00
    await arq_is_back(house)


async def test_redis_is_emptied_while_events_come_in(house: House, ada: Person) -> None:
    deposits = [await ada.deposits(usd=1_00) for _ in range(10)]
    paying = asyncio.gather(*(house.pay(deposit) for deposit in deposits))
    while not paying.done():
        await house.empty_redis()
        await asyncio.sleep(0.005)
    await house.empty_redis()

    for deposit in deposits:
        await house.settled(ada, deposit)
    assert await ada.available() == 11_00
    await arq_is_back(house)


async def test_a_worker_that_is_stopped_under_way_loses_nothing(house: House, ada: Person) -> None:
    deposits = [await ada.deposits(usd=1_00) for _ in range(10)]
    try:
        paying = asyncio.gather(*(house.pay(deposit) for deposit in deposits))
        await house.until(lambda: house.count("webhook_events", status="PENDING"))
        await house.stop_worker()
        await paying
    finally:
        await house.start_worker()

    for deposit in deposits:
        await house.settled(ada, deposit)
    assert await ada.available() == 11_00


async def test_a_worker_that_is_killed_under_way_loses_nothing(house: House, ada: Person) -> None:
    """A process of its own, killed by the kernel with jobs in its hands; ours comes after it."""
    await house.stop_worker()
    try:
        async with house.process("worker") as worker:
            await house.until(lambda: _started(worker.lines))
            await house.stripe.fault("GET", "/v1/payment_intents/*", "latency", times=50, latency_ms=3000)
            deposits = [await ada.deposits(usd=1_00) for _ in range(5)]
            for deposit in deposits:
                await house.pay(deposit, "pm_card_chargeDeclined")
            # Its jobs now wait for Stripe's answers: it is killed while it is at them.
            await house.until(lambda: _taken_up(house))
            worker.kill()
        await house.end_transactions()
        await house.stripe.control("/faults", method="DELETE")
        assert [(await ada.deposit(deposit["id"]))["status"] for deposit in deposits] == [
            "REQUIRES_PAYMENT"
        ] * 5
    finally:
        await house.start_worker()

    for deposit in deposits:
        await house.reaches(ada, deposit, "FAILED")
        await house.pay(deposit)
        await house.settled(ada, deposit)
    assert await ada.available() == 6_00


async def _started(lines: list[str]) -> bool:
    return any("worker started" in line for line in lines)


async def _taken_up(house: House) -> bool:
    """All of the failures are being asked about at Stripe, and none is answered."""
    failures = {"type": "payment_intent.payment_failed", "status": "PENDING"}
    under_way = await house.jobs(in_progress_key_prefix)
    return under_way >= 5 and await house.count("webhook_events", **failures) == 5


async def test_no_worker_is_stopped_by_a_redis_that_is_away(house: House, ada: Person) -> None:
    """It ends when it is told to, also while it waits for Redis."""
    async with house.redis_away():
        await asyncio.sleep(0.5)
        async with asyncio.timeout(15):
            await house.stop_worker()
    await house.start_worker()
    await arq_is_back(house)
    await paid(house, ada)


async def test_a_forgotten_ring_is_no_error(
    house: House, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Emptied between a bell and its hearing, Redis may remember that it rang, and not what for."""
    client = redis.from_url(house.parts.valkey.url)  # type: ignore[no-untyped-call]  # redis-py 5 left it bare
    async with client:
        await client.zadd(default_queue_name, {"forgotten": 1})

        async def heard() -> bool:
            return not await client.zcard(default_queue_name)

        await house.until(heard)

    assert "job forgotten expired" in caplog.text
    assert "error serializing" not in caplog.text
