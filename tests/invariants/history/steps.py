"""What all rules share: how a step is done, who and what they go by, and of what they choose."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine

from tests.invariants.history import trouble
from tests.invariants.history.bridge import Bridge
from tests.invariants.history.world import World

Answer = TypeVar("Answer")

payers = Bundle("payers")
wishes = Bundle("wishes")
saved = Bundle("saved")
# Of those that were paid otherwise than agreed: for them an administrator has something to decide.
odd = Bundle("odd")
contractors = Bundle("contractors")
deals = Bundle("deals")
drawn = Bundle("drawn")

currencies = st.sampled_from(["USD", "EUR", "JPY", "ISK", "KWD"])
# In steps that every one of them has.
amounts = st.integers(1, 99).map(lambda hundreds: hundreds * 100)
moments_ms = st.integers(0, 40)
kinds = st.sampled_from(trouble.FAULTS)
places = st.integers(0, 99)


class Steps(RuleBasedStateMachine):
    """A history in which things are done one after the other."""

    _world: World
    _bridge: Bridge

    def _do(self, name: str, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        tally = self._world.tally
        tally.rules[name] += 1
        try:
            return self._bridge(coroutine)
        except Exception:
            tally.failures += 1
            raise
