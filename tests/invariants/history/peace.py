"""Everything works again, time passes, and the house comes to rest, within so many hours of our clock."""

from collections.abc import Awaitable, Callable

from domain.gateway import CircuitOpen
from tests.house import House
from tests.invariants.history import trouble
from tests.invariants.history.world import World, must

# The sweep looks at each open deposit once an hour, in the end; a lookup in vain takes two of them.
ROUND_MINUTES = 61
ROUNDS_MAX = 8
# Whatever the sweep looks after.
OPERATIONS = ("deposits", "escrows", "connect_accounts", "withdrawals", "refunds", "disputes")
Differences = Callable[[World], Awaitable[list[str]]]


async def before(house: House, seed: int) -> None:
    """An empty house, and a circuit that is closed: the history before may have ended with it open."""

    async def circuit_closed() -> bool:
        try:
            house.runtime.gateway.check_circuit()
        except CircuitOpen:
            return False
        return True

    await house.sweep_clean(seed)
    await house.until(circuit_closed)


async def delivered(world: World) -> None:
    """What was on its way has arrived; and been handled, if anybody handles it."""
    house = world.house

    async def none_under_way() -> bool:
        return not await house.deliveries_due()

    await house.until(none_under_way)
    if world.working:
        await house.quiet()


async def worked_off(world: World) -> None:
    """What is due is done, if anybody works."""
    if world.working:
        await world.house.until(lambda: _at_rest(world), timeout_s=60)
    else:
        await delivered(world)


async def until_agreed(world: World, differences: Differences) -> None:
    """Let time pass until nothing differs from what must be.

    Chores are done meanwhile: they find what no event told, as a second payment, or a refund that failed.
    """
    await trouble.chores(world)
    found = await _after_all_work(world, differences)
    for _ in range(ROUNDS_MAX):
        if not found:
            return
        await trouble.time_passes(world, ROUND_MINUTES)
        await trouble.chores(world)
        found = await _after_all_work(world, differences)
    must(not found, f"after {ROUNDS_MAX} hours in which everything worked: " + "; ".join(found))


async def _after_all_work(world: World, differences: Differences) -> list[str]:
    await world.house.until(lambda: _at_rest(world), timeout_s=60)
    return await differences(world)


async def _at_rest(world: World) -> bool:
    """Nothing is on its way, nothing is due, and nobody is at work."""
    house = world.house
    now = house.clock()
    due = {"$type": "date", "$lte": now}
    if await house.deliveries_due():
        return False
    if await house.count("webhook_events", status={"$in": ["PENDING", "FAILED"]}):
        return False
    for name in OPERATIONS:
        if await house.count(name, next_attempt_at=due) or await house.count(name, lease_until={"$gt": now}):
            return False
    return True
