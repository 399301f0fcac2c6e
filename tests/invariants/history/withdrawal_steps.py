"""Rules of money out: contractors' accounts, withdrawals, who approves them, and what Stripe and banks do."""

from contextlib import AbstractAsyncContextManager, nullcontext

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.invariants.history import accounts, desk, draws, money_out, peace, trouble
from tests.invariants.history.steps import (
    Steps,
    amounts,
    contractors,
    currencies,
    drawn,
    kinds,
    moments_ms,
    payers,
    places,
)
from tests.invariants.history.world import Contractor, Draw, Payer

# Below the minimum, as people ask, above what goes without approval, and more than anybody has.
wanted = amounts | st.integers(10, 60).map(lambda hundreds: hundreds * 100_00)
# Mostly of what everybody has.
monies = st.just("USD") | st.just("USD") | currencies
# A little longer than each pause of the schedule; the last is for what is looked up, and for what waits.
RETRY_MINUTES = (5.5, 31, 121, 61)
SEND = ("POST", "/v1/transfers")
pauses = st.lists(st.sampled_from(RETRY_MINUTES), min_size=1, max_size=4)
# What goes at once.
earned = st.integers(10, 99).map(lambda units: units * 100)
decisions = st.lists(st.sampled_from(draws.DECISIONS), min_size=1, max_size=2)


class WithdrawalSteps(Steps):
    """People take out what they earned."""

    @initialize(target=drawn, amount=earned)
    def grace_withdraws(self, amount: int) -> Draw:
        """So that there is something to reverse, to pay out and to send back from the start."""
        world = self._world
        grace = world.contractors[0]
        draw = draws.draw(world, grace, amount)

        async def withdrawn() -> None:
            await accounts.open_account(world, grace)
            await accounts.onboard(world, grace, "active")
            await draws.request(world, draw)

        self._do("onboard and withdraw", withdrawn())
        return draw

    def _withdraw_while(
        self,
        name: str,
        wish: tuple[Contractor, int],
        faults: list[tuple[tuple[str, str], str, int]],
        pauses: list[float],
        *,
        around: AbstractAsyncContextManager[None] | None = None,
        killed_after_ms: int | None = None,
    ) -> Draw:
        """Faults, a withdrawal, and some of the retries, before anything else happens."""
        world = self._world
        draw = draws.draw(world, *wish)

        async def withdrawn() -> None:
            for call, kind, times in faults:
                await trouble.fault(world, *call, kind, times)
            async with around or nullcontext():
                await draws.request(world, draw)
                if killed_after_ms is not None:
                    await trouble.kill_worker(world, after_ms=killed_after_ms)
                await peace.worked_off(world)
                for minutes in pauses:
                    await trouble.time_passes(world, minutes)
                    await peace.worked_off(world)

        self._do(name, withdrawn())
        return draw

    # ------------------------------------------------------------------ accounts

    @rule(contractor=contractors, times=st.just(1) | st.integers(2, 4))
    def opens_an_account(self, contractor: Contractor, times: int) -> None:
        self._do("createConnectAccount", accounts.open_account(self._world, contractor, times=times))

    @rule(contractor=contractors, outcome=st.sampled_from(accounts.OUTCOMES), looks=st.booleans())
    def stripe_changes_its_mind(self, contractor: Contractor, outcome: str, looks: bool) -> None:
        self._do(f"account {outcome}", accounts.onboard(self._world, contractor, outcome, looks=looks))

    @rule(contractor=contractors)
    def is_set_up_well(self, contractor: Contractor) -> None:
        self._do("account active", accounts.onboard(self._world, contractor, "active"))

    @rule(contractor=contractors, again=st.booleans())
    def shuts_us_out(self, contractor: Contractor, again: bool) -> None:
        async def left() -> None:
            await accounts.deauthorize(self._world, contractor)
            if again:
                await accounts.open_account(self._world, contractor)
                await accounts.onboard(self._world, contractor, "active")

        self._do("account deauthorized", left())

    # ------------------------------------------------------------------ withdrawals

    @rule(
        target=drawn,
        contractor=contractors,
        amount=wanted,
        currency=monies,
        times=st.just(1) | st.integers(2, 6),
    )
    def withdraws(self, contractor: Contractor, amount: int, currency: str, times: int) -> Draw:
        draw = draws.draw(self._world, contractor, amount, currency)
        name = "requestWithdrawal" if times == 1 else "requestWithdrawal, racing"
        self._do(name, draws.request(self._world, draw, times=times))
        return draw

    @rule(target=drawn, contractor=contractors, amount=wanted, after_ms=moments_ms)
    def a_process_dies_withdrawing(self, contractor: Contractor, amount: int, after_ms: int) -> Draw:
        draw = draws.draw(self._world, contractor, amount)
        dying = draws.request_and_die(self._world, draw, after_ms=after_ms)
        self._do("requestWithdrawal, and the process dies", dying)
        return draw

    @rule(
        target=drawn,
        contractor=contractors,
        amount=earned,
        kind=kinds,
        times=st.integers(1, 5),
        pauses=pauses,
    )
    def is_sent_while_stripe_breaks(
        self, contractor: Contractor, amount: int, kind: str, times: int, pauses: list[float]
    ) -> Draw:
        return self._withdraw_while(
            "sent while Stripe breaks", (contractor, amount), [(SEND, kind, times)], pauses
        )

    @rule(
        target=drawn,
        contractor=contractors,
        amount=earned,
        faults=st.lists(st.tuples(st.sampled_from(trouble.SENDING), kinds, st.integers(1, 3)), max_size=3),
        pauses=pauses,
    )
    def is_cut_off_and_looked_for(
        self,
        contractor: Contractor,
        amount: int,
        faults: list[tuple[tuple[str, str], str, int]],
        pauses: list[float],
    ) -> Draw:
        """Stripe has made the transfer, and nobody hears of it; then what is asked next breaks too."""
        faults = [(SEND, "reset_after_commit", 1), *faults]
        unheard = trouble.unheard(self._world)
        return self._withdraw_while("cut off, unheard", (contractor, amount), faults, pauses, around=unheard)

    @rule(target=drawn, contractor=contractors, amount=earned, after_ms=moments_ms, pauses=pauses)
    def the_worker_is_killed_sending(
        self, contractor: Contractor, amount: int, after_ms: int, pauses: list[float]
    ) -> Draw:
        return self._withdraw_while(
            "worker killed sending", (contractor, amount), [], pauses, killed_after_ms=after_ms
        )

    @rule(contractor=contractors, times=st.integers(2, 10))
    def withdraws_all_at_once(self, contractor: Contractor, times: int) -> None:
        self._do("the whole balance, racing", draws.race(self._world, contractor, times))

    @rule(draw=drawn, times=st.integers(1, 3))
    def asks_again(self, draw: Draw, times: int) -> None:
        self._do("requestWithdrawal, replayed", draws.request(self._world, draw, times=times))

    @rule(draw=drawn)
    def cancels_the_withdrawal(self, draw: Draw) -> None:
        self._do("cancelWithdrawal", draws.cancel(self._world, draw))

    @rule(target=drawn, contractor=contractors, amount=wanted)
    def withdraws_and_cancels(self, contractor: Contractor, amount: int) -> Draw:
        """Against the worker, who sends it at that very moment."""
        draw = draws.draw(self._world, contractor, amount)

        async def canceled() -> None:
            await draws.request(self._world, draw)
            await draws.cancel(self._world, draw)

        self._do("requestWithdrawal, canceled at once", canceled())
        return draw

    @rule(draw=drawn, chosen=decisions)
    def admins_decide(self, draw: Draw, chosen: list[str]) -> None:
        self._do("approve, reject", draws.decide(self._world, draw, chosen))

    @rule(target=drawn, contractor=contractors, hundreds=st.integers(10, 30), chosen=decisions)
    def a_large_one_is_decided(self, contractor: Contractor, hundreds: int, chosen: list[str]) -> Draw:
        draw = draws.draw(self._world, contractor, hundreds * 100_00)

        async def decided() -> None:
            await draws.request(self._world, draw)
            await draws.decide(self._world, draw, chosen)

        self._do("a large withdrawal, and a decision", decided())
        return draw

    @rule(draw=drawn)
    def an_admin_resolves_the_withdrawal(self, draw: Draw) -> None:
        self._do("resolveWithdrawal", draws.resolve(self._world, draw))

    @rule(somebody=payers | contractors, currency=monies)
    def an_admin_freezes(self, somebody: Payer | Contractor, currency: str) -> None:
        self._do("freezeWallet", desk.freeze(self._world, somebody.person, currency))

    @rule(somebody=payers | contractors, currency=monies)
    def an_admin_unfreezes(self, somebody: Payer | Contractor, currency: str) -> None:
        self._do("unfreezeWallet", desk.unfreeze(self._world, somebody.person, currency))

    # ------------------------------------------------------------------ at Stripe

    @rule(place=places, hundreds=st.none() | st.integers(1, 60))
    def a_transfer_is_reversed(self, place: int, hundreds: int | None) -> None:
        self._do("transfer reversed", money_out.reverse(self._world, place, hundreds))

    @rule(contractor=contractors)
    def is_paid_out(self, contractor: Contractor) -> None:
        self._do("payout made", money_out.pay_out(self._world, contractor))

    @rule(place=places, failure=st.none() | st.sampled_from(money_out.FAILURES))
    def the_bank_answers(self, place: int, failure: str | None) -> None:
        name = "payout failed" if failure else "payout paid"
        self._do(name, money_out.conclude(self._world, place, failure))

    @rule(currency=monies)
    def the_platform_is_short(self, currency: str) -> None:
        self._do("platform short", money_out.short(self._world, currency))

    @rule()
    def the_platform_has_enough(self) -> None:
        self._do("platform funded", money_out.ample(self._world))
