"""Chores are done on time, by one process at a time, and taken over from the dead."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from domain.runtime import Runtime
from jobs import Chore, Chores
from tests.house import House

EVERY = timedelta(hours=1)


def looking(house: House, chore: Chore, **policy: timedelta) -> Chores:
    """A process of its own that has this one chore."""
    return Chores(house.with_policy(**policy), interval_s=60, chores=[chore])


class Counted:
    """A chore that counts how often it was run, and how often at the same time."""

    def __init__(self, takes_s: float = 0, fails: int = 0) -> None:
        self.runs = 0
        self.started = asyncio.Event()
        self.at_once = 0
        self.at_once_max = 0
        self._takes_s = takes_s
        self._fails = fails

    @property
    def chore(self) -> Chore:
        return Chore("counted", lambda _policy: EVERY, self.run)

    async def run(self, _runtime: Runtime) -> None:
        self.runs += 1
        self.started.set()
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        await asyncio.sleep(self._takes_s)
        self.at_once -= 1
        if self.runs <= self._fails:
            raise RuntimeError("the chore does not work")


async def test_a_chore_is_done_once_in_its_time(house: House) -> None:
    counted = Counted()
    for _ in range(3):
        await looking(house, counted.chore).once()
    assert counted.runs == 1
    house.clock.advance(minutes=59)
    await looking(house, counted.chore).once()
    assert counted.runs == 1
    house.clock.advance(minutes=2)
    await looking(house, counted.chore).once()
    assert counted.runs == 2


async def test_ten_processes_do_it_once(house: House) -> None:
    counted = Counted(takes_s=0.2)
    await asyncio.gather(*(looking(house, counted.chore).once() for _ in range(10)))
    assert (counted.runs, counted.at_once_max) == (1, 1)


async def test_a_long_one_keeps_its_claim(house: House) -> None:
    """It takes three leases, and another process looks all the time."""
    lease = timedelta(seconds=0.3)
    counted = Counted(takes_s=0.9)
    working = asyncio.create_task(looking(house, counted.chore, lease=lease).once())
    while not working.done():
        await looking(house, counted.chore, lease=lease).once()
        await asyncio.sleep(0.05)
    await working
    await looking(house, counted.chore, lease=lease).once()
    assert counted.runs == 1


async def test_a_long_one_keeps_no_other_waiting(house: House) -> None:
    """The one that hangs, and that was begun first, is still at it when the other is due again."""
    endless, counted = Counted(takes_s=600), Counted()
    both = [replace(endless.chore, name="endless"), counted.chore]
    working = asyncio.create_task(Chores(house.runtime, interval_s=0.01, chores=both).run())

    async def was_done(times: int) -> bool:
        return counted.runs >= times

    try:
        for turn in (1, 2, 3):
            await house.until(partial(was_done, turn))
            house.clock.advance(minutes=61)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert (endless.at_once, endless.runs) == (1, 1)


async def test_a_dead_workers_chore_is_taken_over(house: House) -> None:
    counted = Counted(takes_s=60)
    dying = asyncio.create_task(looking(house, counted.chore).once())
    await counted.started.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    successor = Counted()
    await looking(house, successor.chore).once()
    assert successor.runs == 0
    house.clock.advance(seconds=house.runtime.policy.lease.total_seconds() + 1)
    await looking(house, successor.chore).once()
    assert successor.runs == 1


async def test_one_that_fails_is_tried_again_soon(house: House) -> None:
    counted = Counted(fails=1)
    await looking(house, counted.chore).once()
    house.clock.advance(minutes=4)
    await looking(house, counted.chore).once()
    assert counted.runs == 1
    house.clock.advance(minutes=2)
    await looking(house, counted.chore).once()
    assert counted.runs == 2
