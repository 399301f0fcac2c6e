"""The rules by which a history goes on. Hypothesis chooses them, and makes the shortest of what fails.

It can do so because nothing here looks at the clock on the wall: ids, keys, events' fates and times come from
seeds and from virtual clocks. Real races remain, and are wanted: what worker, courier and sweep do between
two steps, which of several calls at once is first, and how far a task has come when it is cancelled.
A failure that needs one of them may not show again; hypothesis then says "Flaky", and the steps all the same.
"""

import sys

from tests.invariants.history import (
    accounts,
    claims,
    complaints,
    corrections,
    desk,
    draws,
    escrows,
    peace,
    people,
    reckoning,
    trouble,
)
from tests.invariants.history.bridge import Bridge
from tests.invariants.history.correction_steps import CorrectionSteps
from tests.invariants.history.deposit_steps import DepositSteps
from tests.invariants.history.escrow_steps import EscrowSteps
from tests.invariants.history.trouble_steps import TroubleSteps
from tests.invariants.history.turning_steps import TurningSteps
from tests.invariants.history.withdrawal_steps import WithdrawalSteps
from tests.invariants.history.world import OVER_MINUTES, World


class History(DepositSteps, EscrowSteps, WithdrawalSteps, TurningSteps, CorrectionSteps, TroubleSteps):
    """One history in an empty house. `seed` is the sandbox's."""

    def __init__(self, world: World, bridge: Bridge, seed: int) -> None:
        super().__init__()
        self._bridge = bridge
        self._world = world
        bridge(peace.before(world.house, seed))
        bridge(people.settle(self._world))

    def teardown(self) -> None:
        """The reckoning, unless a step has failed already, or hypothesis has seen enough."""
        if sys.exc_info()[0] is None:
            self._do("reckoning", _end(self._world))
        else:
            self._bridge(trouble.heal(self._world))


async def _end(world: World) -> None:
    """Everything comes to rest: first as it is, then with all that waits judged, or its time over."""
    await trouble.heal(world)
    await accounts.all_look(world)
    await peace.until_agreed(world, reckoning.differences)
    for nouns in (people, escrows, desk, accounts, draws, corrections, claims, complaints):
        await nouns.judge(world)
    await trouble.time_passes(world, OVER_MINUTES)
    await peace.until_agreed(world, reckoning.unsettled)
    await reckoning.reckon(world)
    world.tally.histories += 1
