"""Rules of what goes wrong, and of time."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.invariants.history import peace, people, stripe, trouble
from tests.invariants.history.steps import Steps, kinds, moments_ms, places, wishes
from tests.invariants.history.world import EXPIRED_MINUTES, OVER_MINUTES, Wish


class TroubleSteps(Steps):
    """Whatever breaks, breaks under all that is going on."""

    @rule(place=places, copies=st.integers(0, 3))
    def an_event_is_posted_again(self, place: int, copies: int) -> None:
        """No copy: one that was signed long ago."""
        if copies:
            self._do("event posted again", stripe.replay(self._world, place, copies=copies))
        else:
            self._do("old event posted", stripe.replay_old(self._world, place))

    @rule(times=st.integers(1, 5))
    def stripe_redelivers(self, times: int) -> None:
        self._do("redelivery", stripe.redeliver(self._world, times))

    @rule(call=st.sampled_from(trouble.MAKING), kind=kinds, times=st.integers(1, 3))
    def stripe_breaks_where_it_makes(self, call: tuple[str, str], kind: str, times: int) -> None:
        self._do("fault in making", trouble.fault(self._world, *call, kind, times))

    @rule(call=st.sampled_from(trouble.READING), kind=kinds, times=st.integers(1, 3))
    def stripe_breaks_where_it_reads(self, call: tuple[str, str], kind: str, times: int) -> None:
        self._do("fault in reading", trouble.fault(self._world, *call, kind, times))

    @rule(call=st.sampled_from(trouble.CHANGING), kind=kinds, times=st.integers(1, 3))
    def stripe_breaks_where_it_changes(self, call: tuple[str, str], kind: str, times: int) -> None:
        self._do("fault in changing", trouble.fault(self._world, *call, kind, times))

    @rule(
        duplicate=st.integers(0, 2),
        shuffle=st.booleans(),
        drop=st.sampled_from([0, 0, 0.3, 1]),
        delay_ms=st.sampled_from([0, 0, 200]),
        corrupt=st.sampled_from([0, 0, 0.3, 1]),
        old_timestamps=st.sampled_from([0, 0, 0, 0.5]),
    )
    def the_courier_changes(self, **knobs: Any) -> None:
        self._do("courier", trouble.courier(self._world, knobs))

    @rule(what=st.sampled_from(["killed", "stopped", "started"]))
    def the_worker_is(self, what: str) -> None:
        deeds = {
            "killed": trouble.kill_worker,
            "stopped": trouble.stop_worker,
            "started": trouble.start_worker,
        }
        self._do(f"worker {what}", deeds[what](self._world))

    @rule(after_ms=st.none() | moments_ms)
    def somebody_sweeps(self, after_ms: int | None) -> None:
        """To the end, or until that process dies."""
        if after_ms is None:
            self._do("sweep", self._world.house.sweep())
        else:
            dying = trouble.sweep_and_die(self._world, after_ms=after_ms)
            self._do("sweep, and the process dies", dying)

    @rule()
    def redis_is_emptied(self) -> None:
        self._do("Redis emptied", trouble.empty_redis(self._world))

    @rule(wish=wishes, hangs=st.booleans())
    def redis_is_away_while_somebody_pays(self, wish: Wish, hangs: bool) -> None:
        async def paid_without_redis() -> None:
            async with trouble.no_redis(self._world, hangs=hangs):
                await people.pay(self._world, wish, "pm_card_visa")
                await people.create(self._world, wish)

        self._do("Redis hanging" if hangs else "Redis away", paid_without_redis())

    @rule(minutes=st.sampled_from([0.1, 2, 11, 61, EXPIRED_MINUTES, OVER_MINUTES]))
    def time_passes(self, minutes: float) -> None:
        self._do("time passes", trouble.time_passes(self._world, minutes))

    @rule()
    def all_is_quiet(self) -> None:
        """What was still on its way has arrived, unless the courier lost it or nobody works."""
        self._do("quiet", peace.delivered(self._world))

    @rule()
    def chores_are_done(self) -> None:
        self._do("chores", trouble.chores(self._world))
