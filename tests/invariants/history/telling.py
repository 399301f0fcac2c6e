"""Telling histories: so many of so many steps, from one seed, in a house that is fit for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from resolvers.context import Limits
from tests.house import House
from tests.invariants.history.bridge import Bridge
from tests.invariants.history.machine import History
from tests.invariants.history.tally import Tally
from tests.invariants.history.world import DEPOSITS_MAX, World

# Long enough for a machine that is busy; short enough for a history to wait for it several times.
STRIPE_TIMEOUT_S = 1.0
CIRCUIT_FAILURES = 4
CIRCUIT_OPEN_S = 0.2


@asynccontextmanager
async def fit_for_histories(house: House) -> AsyncIterator[Limits]:
    """Stripe that does not answer is given up soon, and the circuit opens and closes as in production."""
    gateway = house.with_gateway(
        stripe_timeout_seconds=STRIPE_TIMEOUT_S,
        circuit_failures=CIRCUIT_FAILURES,
        circuit_open_seconds=CIRCUIT_OPEN_S,
    )
    async with gateway, house.limited(deposits=f"{DEPOSITS_MAX}/hour") as limits:
        yield limits


async def tell(
    house: House, limits: Limits, tally: Tally, *, seed: int, histories: int, steps: int, shrink: bool = True
) -> None:
    """Raises what went wrong, with the steps of the shortest history that still goes wrong."""
    bridge = Bridge(asyncio.get_running_loop())

    def history() -> History:
        return History(World(house, limits, tally), bridge, seed)

    hypothesis.seed(seed)(history)
    await asyncio.to_thread(
        run_state_machine_as_test,
        cast("Any", history),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            database=None,
            # A step waits for real parts: for milliseconds, or for a whole timeout.
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            print_blob=False,
        ),
    )
