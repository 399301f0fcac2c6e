"""The rules by which a history goes on. Hypothesis chooses them, and makes the shortest of what fails.

It can do so because nothing here looks at the clock on the wall: ids, keys, events' fates and times come from
seeds and from virtual clocks. Real races remain, and are wanted: what worker, courier and sweep do between
two steps, which of several calls at once is first, and how far a task has come when it is cancelled.
A failure that needs one of them may not show again; hypothesis then says "Flaky", and the steps all the same.
"""

import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
)

from sandbox.stripe.cards import TEMPLATES
from tests.invariants.history import peace, people, reckoning, stripe, trouble
from tests.invariants.history.bridge import Bridge
from tests.invariants.history.world import Card, Payer, Wish, World

Answer = TypeVar("Answer")

PAYERS_MAX = 3
EXPIRED_MINUTES = 25 * 60
CARDS = sorted({card.name for card in TEMPLATES.values()})
SAVEABLE = sorted({card.name for card in TEMPLATES.values() if card.attaches})

cards = st.sampled_from(CARDS)
# What becomes of their refunds differs.
paying = st.sampled_from(["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"])
currencies = st.sampled_from(["USD", "EUR", "JPY", "ISK", "KWD"])
# In steps that every one of them has.
amounts = st.integers(1, 99).map(lambda hundreds: hundreds * 100)
commands = st.fixed_dictionaries(
    {"amount": amounts, "currency": currencies}, optional={"savePaymentMethod": st.booleans()}
)
outcomes = st.sampled_from(people.OUTCOMES)
moments_ms = st.integers(0, 40)
kinds = st.sampled_from(trouble.FAULTS)
places = st.integers(0, 99)


class History(RuleBasedStateMachine):
    """One history in an empty house. `seed` is the sandbox's."""

    payers = Bundle("payers")
    wishes = Bundle("wishes")
    saved = Bundle("saved")
    # Of those that were paid otherwise than agreed: for them an administrator has something to decide.
    odd = Bundle("odd")

    def __init__(self, world: World, bridge: Bridge, seed: int) -> None:
        super().__init__()
        self._bridge = bridge
        self._world = world
        bridge(peace.before(world.house, seed))
        bridge(people.sign_up(self._world, "ada"))

    def _do(self, name: str, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        tally = self._world.tally
        tally.rules[name] += 1
        try:
            return self._bridge(coroutine)
        except Exception:
            tally.failures += 1
            raise

    def teardown(self) -> None:
        """The reckoning, unless a step has failed already, or hypothesis has seen enough."""
        if sys.exc_info()[0] is None:
            self._do("reckoning", _end(self._world))
        else:
            self._bridge(trouble.heal(self._world))

    # ------------------------------------------------------------------ people

    @initialize(target=payers)
    def ada(self) -> Payer:
        return self._world.payers[0]

    @initialize(target=wishes, command=commands)
    def ada_creates_a_deposit(self, command: dict[str, Any]) -> Wish:
        """So that every rule has something to go by from the start."""
        wish = people.wish(self._world, self._world.payers[0], command)
        self._do("createDeposit", people.create(self._world, wish))
        return wish

    @rule(target=payers)
    def somebody_signs_up(self) -> Payer | MultipleResults[Payer]:
        if len(self._world.payers) >= PAYERS_MAX:
            return multiple()
        return self._do("sign up", people.sign_up(self._world, f"payer{len(self._world.payers)}"))

    @rule(target=wishes, payer=payers, command=commands)
    def creates_a_deposit(self, payer: Payer, command: dict[str, Any]) -> Wish:
        wish = people.wish(self._world, payer, command)
        self._do("createDeposit", people.create(self._world, wish))
        return wish

    @rule(target=wishes, payer=payers, command=commands, times=st.integers(2, 10))
    def creates_a_deposit_by_racing_calls(self, payer: Payer, command: dict[str, Any], times: int) -> Wish:
        wish = people.wish(self._world, payer, command)
        self._do("createDeposit, racing", people.create(self._world, wish, times=times))
        return wish

    @rule(target=wishes, payer=payers, command=commands, after_ms=moments_ms)
    def a_process_dies_creating_a_deposit(self, payer: Payer, command: dict[str, Any], after_ms: int) -> Wish:
        wish = people.wish(self._world, payer, command)
        dying = people.create_and_die(self._world, wish, after_ms=after_ms)
        self._do("createDeposit, and the process dies", dying)
        return wish

    @rule(target=wishes, card=saved, command=commands)
    def charges_a_saved_card(self, card: Card, command: dict[str, Any]) -> Wish:
        wish = people.wish(self._world, card.payer, command, card)
        self._do("createDeposit with a saved card", people.create(self._world, wish))
        return wish

    @rule(target=wishes, card=consumes(saved), command=commands)
    def charges_a_card_while_removing_it(self, card: Card, command: dict[str, Any]) -> Wish:
        wish = people.wish(self._world, card.payer, command, card)
        self._do("charge a card while removing it", people.charge_while_removing(self._world, wish, card))
        return wish

    @rule(wish=wishes, times=st.integers(1, 3))
    def replays(self, wish: Wish, times: int) -> None:
        self._do("replay", people.create(self._world, wish, times=times))

    @rule(wish=wishes)
    def uses_a_key_again(self, wish: Wish) -> None:
        self._do("another input under a key", people.reuse_key(self._world, wish))

    @rule(wish=wishes, card=cards)
    def pays(self, wish: Wish, card: str) -> None:
        self._do("pay", people.pay(self._world, wish, card))

    @rule(wish=wishes)
    def pays_well(self, wish: Wish) -> None:
        self._do("pay", people.pay(self._world, wish, "pm_card_visa"))

    @rule(wish=wishes, accept=st.booleans())
    def answers_the_bank(self, wish: Wish, accept: bool) -> None:
        self._do("answer the bank", people.answer_bank(self._world, wish, accept=accept))

    @rule(wish=wishes)
    def cancels(self, wish: Wish) -> None:
        self._do("cancelDeposit", people.cancel(self._world, wish))

    @rule(wish=wishes, card=cards)
    def cancels_while_paying(self, wish: Wish, card: str) -> None:
        self._do("cancel while paying", people.cancel_while_paying(self._world, wish, card))

    @rule(payer=payers)
    def looks(self, payer: Payer) -> None:
        self._do("look", people.look(self._world, payer))

    # ------------------------------------------------------------------ saved cards

    @rule(target=saved, payer=payers, template=st.sampled_from(SAVEABLE))
    def saves_a_card(self, payer: Payer, template: str) -> Card | MultipleResults[Card]:
        card = self._do("save a card", people.save_card(self._world, payer, template))
        return multiple() if card is None else card

    @rule(card=saved)
    def makes_a_card_the_default(self, card: Card) -> None:
        self._do("setDefaultPaymentMethod", people.make_default(self._world, card))

    @rule(card=saved)
    def removes_a_card(self, card: Card) -> None:
        self._do("removePaymentMethod", people.remove(self._world, card))

    # ------------------------------------------------------------------ administrators

    @rule(wish=odd | wishes, chosen=st.lists(outcomes, min_size=1, max_size=2), named=st.booleans())
    def admins_resolve(self, wish: Wish, chosen: list[str], named: bool) -> None:
        self._do("resolveDeposit", people.resolve(self._world, wish, chosen, named=named))

    @rule(wish=odd, chosen=st.lists(outcomes, min_size=1, max_size=2), named=st.booleans())
    def admins_resolve_what_has_come(self, wish: Wish, chosen: list[str], named: bool) -> None:
        async def resolved() -> None:
            await peace.delivered(self._world)
            await people.resolve(self._world, wish, chosen, named=named)

        self._do("resolveDeposit", resolved())

    # ------------------------------------------------------------------ at Stripe

    @rule(wish=wishes)
    def stripe_cancels(self, wish: Wish) -> None:
        self._do("intent canceled at Stripe", stripe.cancel_intent(self._world, wish))

    @rule(target=odd, wish=wishes, amount=amounts, card=paying | cards)
    def is_paid_otherwise_than_agreed(self, wish: Wish, amount: int, card: str) -> Wish:
        async def changed_and_paid() -> None:
            await stripe.change_amount(self._world, wish, amount)
            await people.pay(self._world, wish, card)

        self._do("paid otherwise than agreed", changed_and_paid())
        return wish

    @rule(target=odd, wish=wishes, amount=amounts, currency=currencies, card=paying | cards)
    def is_paid_twice(self, wish: Wish, amount: int, currency: str, card: str) -> Wish:
        paying_twice = stripe.pay_twice(self._world, wish, amount, currency, card)
        self._do("paid by a second intent", paying_twice)
        return wish

    @rule(place=places)
    def a_refund_fails(self, place: int) -> None:
        self._do("a refund fails", stripe.fail_refund(self._world, place))

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

    # ------------------------------------------------------------------ what goes wrong

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

    @rule(minutes=st.sampled_from([0.1, 2, 11, 61, EXPIRED_MINUTES]))
    def time_passes(self, minutes: float) -> None:
        self._do("time passes", trouble.time_passes(self._world, minutes))

    @rule()
    def all_is_quiet(self) -> None:
        """What was still on its way has arrived, unless the courier lost it or nobody works."""
        self._do("quiet", peace.delivered(self._world))

    @rule()
    def chores_are_done(self) -> None:
        self._do("chores", trouble.chores(self._world))


async def _end(world: World) -> None:
    """Everything comes to rest: first as it is, then with every deposit judged, or its time over."""
    await trouble.heal(world)
    await peace.until_agreed(world, reckoning.differences)
    await people.judge(world)
    await trouble.time_passes(world, EXPIRED_MINUTES)
    await peace.until_agreed(world, reckoning.unsettled)
    await reckoning.reckon(world)
    world.tally.histories += 1
