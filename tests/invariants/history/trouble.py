"""What goes wrong: Stripe's calls, its courier, our worker, Redis; and time, which passes at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from jobs import CHORES
from tests.house import sandbox
from tests.invariants.history import money_out
from tests.invariants.history.world import World

# Calls that make what must be there once; that read; and that bring about a state, however often.
MAKING = (
    ("POST", "/v1/payment_intents"),
    ("POST", "/v1/checkout/sessions"),
    ("POST", "/v1/customers"),
    ("POST", "/v1/refunds"),
    ("POST", "/v1/accounts"),
    ("POST", "/v1/transfers"),
)
READING = (
    ("GET", "/v1/payment_intents/*"),
    ("GET", "/v1/payment_intents"),
    ("GET", "/v1/checkout/sessions/*"),
    ("GET", "/v1/checkout/sessions"),
    ("GET", "/v1/customers"),
    ("GET", "/v1/refunds"),
    ("GET", "/v1/refunds/*"),
    ("GET", "/v1/disputes"),
    ("GET", "/v1/disputes/*"),
    ("GET", "/v1/payment_methods/*"),
    ("GET", "/v1/customers/*"),
    ("GET", "/v1/customers/*/payment_methods"),
    ("GET", "/v1/balance_transactions"),
    ("GET", "/v1/balance"),
    ("GET", "/v1/events"),
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/*"),
    ("GET", "/v1/transfers"),
    ("GET", "/v1/transfers/*"),
    ("GET", "/v1/payouts"),
    ("GET", "/v1/payouts/*"),
)
CHANGING = (
    ("POST", "/v1/payment_intents/*/cancel"),
    ("POST", "/v1/checkout/sessions/*/expire"),
    ("POST", "/v1/setup_intents"),
    ("POST", "/v1/customers/*"),
    ("POST", "/v1/payment_methods/*/detach"),
    ("POST", "/v1/account_links"),
)
# What a withdrawal's sending asks, and then the looking for what became of it.
SENDING = (
    ("POST", "/v1/transfers"),
    ("GET", "/v1/transfers"),
    ("GET", "/v1/transfers/*"),
    ("GET", "/v1/events"),
    ("GET", "/v1/payouts"),
    ("GET", "/v1/payouts/*"),
)
# The same for a refund.
REFUNDING = (("POST", "/v1/refunds"), ("GET", "/v1/refunds"), ("GET", "/v1/refunds/*"), ("GET", "/v1/events"))
FAULTS = ("latency", "error_400", *sandbox.FAULTS, *sandbox.TIMEOUTS)
LATENCY_MS = 150
SOUND = {"drop": 0, "corrupt": 0, "old_timestamps": 0}
LOST = SOUND | {"drop": 1}
# An event that failed eight times is DEAD, as it should be. Below that many broken reads none can.
BROKEN_READS_MAX = 7


async def fault(world: World, method: str, path: str, kind: str, times: int) -> None:
    """The next calls of a kind go wrong. Before more reads are broken than an event can bear, all is read."""
    world.calm = False
    if method == "GET":
        if world.reads_broken + times > BROKEN_READS_MAX:
            await all_read(world)
        world.reads_broken += times
    details: dict[str, dict[str, Any]] = {
        "latency": {"latency_ms": LATENCY_MS},
        "error_400": {"code": "processing_error"},
    }
    await world.house.stripe.fault(method, path, kind, times, **details.get(kind, {}))
    world.tally.faults[kind] += times


async def courier(world: World, knobs: Mapping[str, Any]) -> None:
    """How Stripe's events come from now on."""
    await world.house.stripe.webhooks(**knobs)
    world.deaf = world.deaf or any(knobs[name] for name in ("drop", "corrupt", "old_timestamps"))
    for name, value in knobs.items():
        world.tally.faults[f"courier: {name}"] += bool(value)


@asynccontextmanager
async def unheard(world: World) -> AsyncIterator[None]:
    """Whatever Stripe tells meanwhile is lost; then its courier is as good as new."""
    await courier(world, LOST)
    try:
        yield
    finally:
        await courier(world, SOUND)


async def empty_redis(world: World) -> None:
    """What the bell rang for is forgotten, and who asked for how many deposits."""
    await world.house.empty_redis()
    for payer in world.payers:
        payer.keys.clear()


@asynccontextmanager
async def no_redis(world: World, *, hangs: bool) -> AsyncIterator[None]:
    """It takes questions and does not answer; or is away, and comes back with nothing."""
    async with world.house.redis_hanging() if hangs else world.house.redis_away():
        yield
    if not hangs:
        await empty_redis(world)


async def all_read(world: World) -> None:
    """Stripe is in order, and every event that has come is done with."""
    await world.house.stripe.control("/faults", method="DELETE")
    await start_worker(world)
    await world.house.until(lambda: _no_event_open(world))
    world.reads_broken = 0


async def start_worker(world: World) -> None:
    if not world.working:
        await world.house.start_worker()
        world.working = True


async def stop_worker(world: World) -> None:
    """As a process manager would: what is under way may end."""
    if world.working:
        await world.house.stop_worker()
        world.working = False


async def kill_worker(world: World, *, after_ms: int = 0) -> None:
    """Whatever it was doing ends where it is; another one starts."""
    world.calm = False
    await asyncio.sleep(after_ms / 1000)
    if world.working:
        await world.house.kill_worker()
    await world.house.start_worker()
    world.working = True


async def sweep_and_die(world: World, *, after_ms: int) -> None:
    """A round of the sweep that another process does, and does not survive."""
    world.calm = False
    task = asyncio.create_task(world.house.sweep())
    await asyncio.wait([task], timeout=after_ms / 1000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def chores(world: World) -> None:
    for chore in CHORES:
        await world.house.chore(chore.name)


async def time_passes(world: World, minutes: float) -> None:
    """Here and at Stripe. Whoever is signed in stays so."""
    await world.house.time_passes(minutes=minutes)
    for deal in world.deals:
        deal.minutes += minutes
    for person in world.everybody():
        await person.refresh()


async def heal(world: World) -> None:
    """From now on everything works, and there is money for all."""
    stripe = world.house.stripe
    await stripe.control("/faults", method="DELETE")
    await stripe.webhooks()
    await money_out.ample(world)
    await start_worker(world)


async def _no_event_open(world: World) -> bool:
    open_events = await world.house.count("webhook_events", status={"$in": ["PENDING", "FAILED"]})
    return not open_events
