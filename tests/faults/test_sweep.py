"""The sweep: does what is due though nobody rang, one process at a time, and a dead one is succeeded."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.kernel import lease
from jobs import Sweep
from tests.contracts.test_indexes import profile
from tests.house import House, Person


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


@pytest.fixture
async def idle_house(house: House) -> AsyncIterator[House]:
    """Without a worker: the test itself sweeps."""
    await house.stop_worker()
    yield house
    await house.start_worker()


def a_sweep(house: House) -> Sweep:
    """As of another process."""
    return Sweep(house.runtime, interval_s=60)


async def paid_unheard(house: House, person: Person) -> dict[str, Any]:
    """A deposit that was paid, and no event of it ever comes."""
    await house.stripe.webhooks(drop=1)
    deposit = await person.deposits(usd=1_00)
    await house.pay(deposit)
    return deposit


async def test_one_process_sweeps_at_a_time(idle_house: House, ada: Person) -> None:
    house, first, second = idle_house, a_sweep(idle_house), a_sweep(idle_house)
    await first.once()
    await paid_unheard(house, ada)
    house.clock.advance(minutes=1)
    await first.once()  # renews its lease
    assert await ada.available() == 1_00
    await paid_unheard(house, ada)
    await house.collection("deposits").update_many({}, {"$set": {"next_attempt_at": house.clock()}})

    await second.once()
    assert await ada.available() == 1_00

    await first.once()
    assert await ada.available() == 2_00


async def test_a_round_that_finds_nothing_asks_once_for_each_kind(idle_house: House) -> None:
    async with profile(idle_house) as profiler:
        await a_sweep(idle_house).once()
        asked = Counter(query.row["ns"].partition(".")[2] for query in await profiler.queries())
    assert asked.keys() >= {"leases", "webhook_events", "deposits", "escrows", "withdrawals", "refunds"}
    assert set(asked.values()) == {1}


async def test_a_dead_process_is_succeeded_after_its_lease(idle_house: House, ada: Person) -> None:
    house, dead, successor = idle_house, a_sweep(idle_house), a_sweep(idle_house)
    await paid_unheard(house, ada)
    house.clock.advance(minutes=2)
    lease = house.runtime.policy.lease.total_seconds()
    await dead.once()
    await house.collection("deposits").update_many(
        {}, {"$set": {"status": "REQUIRES_PAYMENT", "next_attempt_at": house.clock()}}
    )
    looked_at = {"attempts_made": 1}

    house.clock.advance(seconds=lease - 1)
    await successor.once()
    assert await house.count("deposits", **looked_at) == 1

    house.clock.advance(seconds=2)
    await successor.once()
    assert await house.count("deposits", **looked_at) == 0


async def test_a_process_that_ends_gives_its_lease_back(house: House) -> None:
    await house.until(lambda: house.count("leases"))
    await house.stop_worker()
    try:
        assert await house.count("leases") == 0
    finally:
        await house.start_worker()


async def test_all_tasks_of_one_holder_hold_the_lease_from_its_first_moment(house: House) -> None:
    """They race to make it: whoever comes second must see that it is its own."""

    async def hold(name: str, holder: str) -> bool:
        minute = timedelta(minutes=1)
        return await lease.hold(
            house.runtime.database, name, holder=holder, now=house.runtime.now(), lease=minute
        )

    for name in ("first", "second", "third"):
        held = await asyncio.gather(*(hold(name, holder) for holder in ("one", "other") for _ in range(10)))
        assert sorted([set(held[:10]), set(held[10:])], key=str) == [{False}, {True}]


async def test_a_bell_that_nobody_heard_is_made_up_for(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=1_00)
    await house.quiet()
    await house.stop_worker()
    try:
        await house.pay(deposit)
        await house.until(lambda: house.count("webhook_events", type="payment_intent.succeeded"))
        await house.empty_redis()
    finally:
        await house.start_worker()
    assert await ada.available() == 0

    house.clock.advance(seconds=house.runtime.policy.lease.total_seconds())

    settled = await house.settled(ada, deposit)
    assert settled["history"][-1]["actor"] == "webhook"


async def test_deposits_without_any_event_are_credited(house: House, ada: Person) -> None:
    deposits = [await paid_unheard(house, ada) for _ in range(20)]

    house.clock.advance(minutes=2)

    for deposit in deposits:
        settled = await house.settled(ada, deposit)
        assert settled["history"][-1]["actor"] == "worker"
    assert await ada.available() == 20_00
    assert await house.count("webhook_events", type={"$regex": "^payment_intent"}) == 0
    assert await house.ledger_is_sound()


async def test_what_is_not_paid_is_looked_at_ever_more_rarely(idle_house: House, ada: Person) -> None:
    house, sweep = idle_house, a_sweep(idle_house)
    deposit = await ada.deposits(usd=1_00)
    waits = []
    for _ in range(9):
        house.clock.ahead += await due_in(house, deposit)
        await sweep.once()
        waits.append((await due_in(house, deposit)).total_seconds())

    minutes = [round(wait / 60) for wait in waits]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("looks", [100, 100_000])
async def test_an_old_deposit_is_still_looked_at(idle_house: House, ada: Person, looks: int) -> None:
    house, sweep = idle_house, a_sweep(idle_house)
    deposit = await paid_unheard(house, ada)
    changes = {"attempts_made": looks, "next_attempt_at": house.clock()}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, {"$set": changes})

    await sweep.once()

    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"


async def test_one_that_fails_does_not_hold_up_the_others(idle_house: House, ada: Person) -> None:
    house, sweep = idle_house, a_sweep(idle_house)
    broken = await paid_unheard(house, ada)
    good = await paid_unheard(house, ada)
    await house.collection("deposits").update_one({"_id": broken["id"]}, {"$set": {"wallet": "wal_nobody"}})
    house.clock.advance(minutes=2)

    await sweep.once()

    assert (await ada.deposit(good["id"]))["status"] == "SUCCEEDED"
    assert (await ada.deposit(broken["id"]))["status"] == "REQUIRES_PAYMENT"
    assert await house.count("entries") == 1


async def due_in(house: House, deposit: dict[str, Any]) -> Any:
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    return stored["next_attempt_at"] - house.clock()


async def test_what_cannot_be_read_keeps_nothing_else_from_being_done(idle_house: House, ada: Person) -> None:
    """As a newer version would write it, while both run."""
    house = idle_house
    for _ in range(5):
        await paid_unheard(house, ada)
    house.clock.advance(minutes=1)
    newer = {"_id": "dep_newer", "status": "NOT_THOUGHT_OF_YET", "next_attempt_at": house.clock()}
    await house.collection("deposits").update_many({}, {"$set": {"next_attempt_at": house.clock()}})
    await house.collection("deposits").insert_one(newer)

    await a_sweep(house).once()

    assert await ada.available() == 5_00
    await house.collection("deposits").delete_one({"_id": "dep_newer"})
