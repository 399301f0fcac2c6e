"""Some short random histories, the same ones each time. `make soak` tells many more, and longer ones."""

import pytest

from tests.house import House
from tests.invariants.history import Tally, fit_for_histories, tell

SEED = 1
HISTORIES = 8
STEPS = 25


@pytest.mark.timeout(600)  # hypothesis looks for the shortest history that fails
async def test_every_history_ends_in_sound_books(house: House) -> None:
    tally = Tally()
    async with fit_for_histories(house) as limits:
        await tell(house, limits, tally, seed=SEED, histories=HISTORIES, steps=STEPS)
    assert tally.histories
