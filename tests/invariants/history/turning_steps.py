"""Rules of money that turns around: refunds by administrators and by hand, and what banks dispute."""

from contextlib import AbstractAsyncContextManager, nullcontext

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, rule

from tests.invariants.history import claims, complaints, peace, people, trouble
from tests.invariants.history.deposit_steps import paying
from tests.invariants.history.steps import (
    Steps,
    amounts,
    contractors,
    currencies,
    kinds,
    moments_ms,
    payers,
    places,
    wishes,
)
from tests.invariants.history.withdrawal_steps import pauses
from tests.invariants.history.world import Claim, Contractor, Payer, Wish

paid = Bundle("paid")
claimed = Bundle("claimed")
REFUND = ("POST", "/v1/refunds")
shares = st.none() | amounts


class TurningSteps(Steps):
    """Whatever was paid may go back, asked for or not, as often as that is possible."""

    async def _paid(self, wish: Wish, card: str) -> None:
        await people.create(self._world, wish)
        await people.pay(self._world, wish, card)
        await peace.delivered(self._world)

    @initialize(target=paid, amount=amounts, card=paying)
    def ada_pays_in(self, amount: int, card: str) -> Wish:
        """So that there is something to refund and to dispute from the start."""
        wish = people.wish(self._world, self._world.payers[0], {"amount": amount, "currency": "USD"})
        self._do("pay in", self._paid(wish, card))
        return wish

    @rule(target=paid, payer=payers, amount=amounts, currency=currencies, card=paying)
    def pays_in(self, payer: Payer, amount: int, currency: str, card: str) -> Wish:
        wish = people.wish(self._world, payer, {"amount": amount, "currency": currency})
        self._do("pay in", self._paid(wish, card))
        return wish

    # ------------------------------------------------------------------ refunds

    @rule(target=claimed, wish=paid | wishes, amount=shares, times=st.just(1) | st.integers(2, 6))
    def an_admin_refunds(self, wish: Wish, amount: int | None, times: int) -> Claim:
        claim = claims.claim(self._world, wish, amount)
        name = "refundDeposit" if times == 1 else "refundDeposit, racing"
        self._do(name, claims.ask(self._world, claim, times=times))
        return claim

    @rule(target=claimed, wish=paid, amount=shares, after_ms=moments_ms)
    def a_process_dies_refunding(self, wish: Wish, amount: int | None, after_ms: int) -> Claim:
        claim = claims.claim(self._world, wish, amount)
        dying = claims.ask_and_die(self._world, claim, after_ms=after_ms)
        self._do("refundDeposit, and the process dies", dying)
        return claim

    @rule(claim=claimed, times=st.integers(1, 3), other=st.booleans())
    def the_refund_is_asked_for_again(self, claim: Claim, times: int, other: bool) -> None:
        if other:
            self._do("refundDeposit, another under its key", claims.reuse_key(self._world, claim))
        else:
            self._do("refundDeposit, replayed", claims.ask(self._world, claim, times=times))

    @rule(wish=paid, times=st.integers(2, 6))
    def all_is_refunded_at_once(self, wish: Wish, times: int) -> None:
        self._do("the whole deposit, racing", claims.race(self._world, wish, times))

    @rule(claim=claimed)
    def cancels_the_refund(self, claim: Claim) -> None:
        self._do("cancelRefund", claims.cancel(self._world, claim))

    @rule(target=claimed, wish=paid, amount=shares)
    def refunds_and_cancels(self, wish: Wish, amount: int | None) -> Claim:
        """Against the worker, who sends it at that very moment."""
        claim = claims.claim(self._world, wish, amount)

        async def canceled() -> None:
            await claims.ask(self._world, claim)
            await claims.cancel(self._world, claim)

        self._do("refundDeposit, canceled at once", canceled())
        return claim

    @rule(
        target=claimed,
        wish=paid,
        amount=shares,
        faults=st.lists(st.tuples(st.sampled_from(trouble.REFUNDING), kinds, st.integers(1, 5)), max_size=3),
        how=st.tuples(st.booleans(), st.none() | moments_ms),
        pauses=pauses,
    )
    def is_refunded_while_stripe_breaks(
        self,
        wish: Wish,
        amount: int | None,
        faults: list[tuple[tuple[str, str], str, int]],
        how: tuple[bool, int | None],
        pauses: list[float],
    ) -> Claim:
        """`how`: whether Stripe makes it and nobody hears of it, and when the worker is killed, if it is."""
        world = self._world
        unheard, killed_after_ms = how
        claim = claims.claim(world, wish, amount)
        faults = [(REFUND, "reset_after_commit", 1), *faults] if unheard else faults

        async def refunded() -> None:
            for call, kind, times in faults:
                await trouble.fault(world, *call, kind, times)
            around: AbstractAsyncContextManager[None] = trouble.unheard(world) if unheard else nullcontext()
            async with around:
                await claims.ask(world, claim)
                if killed_after_ms is not None:
                    await trouble.kill_worker(world, after_ms=killed_after_ms)
                await peace.worked_off(world)
                for minutes in pauses:
                    await trouble.time_passes(world, minutes)
                    await peace.worked_off(world)

        self._do("refunded, cut off, unheard" if unheard else "refunded while Stripe breaks", refunded())
        return claim

    @rule(claim=claimed)
    def an_admin_resolves_the_refund(self, claim: Claim) -> None:
        self._do("resolveRefund", claims.resolve(self._world, claim))

    @rule(wish=paid | wishes, amount=shares)
    def is_refunded_by_hand(self, wish: Wish, amount: int | None) -> None:
        self._do("refunded at Stripe", claims.by_hand(self._world, wish, amount))

    @rule(place=places, outcome=st.sampled_from(claims.TURNS))
    def a_refund_turns(self, place: int, outcome: str) -> None:
        self._do(f"a refund {outcome}", claims.turn(self._world, place, outcome))

    # ------------------------------------------------------------------ disputes

    @rule(wish=paid | wishes, part=st.booleans(), inquiry=st.booleans())
    def a_bank_disputes(self, wish: Wish, part: bool, inquiry: bool) -> None:
        name = "inquiry" if inquiry else "dispute"
        self._do(name, complaints.complain(self._world, wish, part=part, inquiry=inquiry))

    @rule(wish=paid, amount=shares, first=st.booleans())
    def is_refunded_and_disputed(self, wish: Wish, amount: int | None, first: bool) -> None:
        """At the same moment, by whoever comes first."""
        world = self._world
        claim = claims.claim(world, wish, amount)

        async def both() -> None:
            if first:
                await claims.ask(world, claim)
            await complaints.complain(world, wish, part=False, inquiry=False)
            await claims.ask(world, claim)

        self._do("refundDeposit, and a dispute", both())

    @rule(wish=paid, contractor=contractors, by_bank=st.booleans(), borne=st.booleans())
    def comes_back_once_it_is_spent(
        self, wish: Wish, contractor: Contractor, by_bank: bool, borne: bool
    ) -> None:
        """All that is in the wallet is in a job: it owes what a bank, or somebody at Stripe, takes back."""
        world = self._world

        async def owed() -> None:
            await claims.spend(world, wish, contractor)
            if by_bank:
                await complaints.complain(world, wish, part=False, inquiry=False)
            else:
                await claims.by_hand(world, wish, None)
            await peace.delivered(world)
            if borne:
                await complaints.write_off(world, -1, times=2)

        self._do("disputed, and spent" if by_bank else "refunded at Stripe, and spent", owed())

    @rule(place=places, outcome=st.sampled_from(complaints.OUTCOMES), part=st.booleans())
    def the_bank_goes_on(self, place: int, outcome: str, part: bool) -> None:
        name = f"dispute {outcome}"
        self._do(name, complaints.decide(self._world, place, outcome, part=part))

    @rule(place=places, times=st.integers(1, 3))
    def admins_write_off(self, place: int, times: int) -> None:
        self._do("writeOffDispute", complaints.write_off(self._world, place, times=times))
