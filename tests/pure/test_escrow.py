"""An escrow's arithmetic and its machine: what every step pays, and that the last one leaves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.escrow import MACHINE, EscrowStatus, MoveKind, Progress, Step, Terms, locked_of, step
from domain.escrow.states import RUNNING, SETTLED, status_after
from domain.kernel.money import MINOR_UNITS_MAX

S = EscrowStatus
RELEASE, REFUND = MoveKind.RELEASE, MoveKind.REFUND
# The whole price in one step, or what is left of it.
ALL = 10**6


@dataclass(frozen=True)
class Cut:
    """`millionths` of what is left, rounded up: any number of cuts leads from a price to nothing."""

    kind: MoveKind
    millionths: int

    def of(self, rest: int) -> int:
        return -(-rest * self.millionths // ALL)


prices = st.integers(1, 500) | st.integers(100, 10**6) | st.integers(1, MINOR_UNITS_MAX // 2)
rates = st.sampled_from([0, 1, 500, 2_000, 9_999, 10_000]) | st.integers(0, 10_000)
terms = st.builds(Terms, prices, rates, rates)
cuts = st.lists(st.builds(Cut, st.sampled_from(MoveKind), st.integers(1, ALL)), max_size=12)


def told(agreed: Terms, plan: Sequence[Cut]) -> list[tuple[Progress, MoveKind, int, Step]]:
    """The steps of `plan`, and one more for what it leaves: progress before, kind, amount, what was paid."""
    progress = Progress()
    steps = []
    for cut in [*plan, Cut(REFUND if len(plan) % 2 else RELEASE, ALL)]:
        if (rest := agreed.price - progress.spent) == 0:
            break
        amount = cut.of(rest)
        paid = step(agreed, progress, cut.kind, amount)
        steps.append((progress, cut.kind, amount, paid))
        progress = paid.after
    return steps


@given(terms, cuts)
@example(Terms(price=3, platform_fee_bps=10_000, service_fee_bps=0), [Cut(RELEASE, 1), Cut(REFUND, 1)])
def test_every_step_adds_up_and_the_last_one_empties_the_account(agreed: Terms, plan: list[Cut]) -> None:
    account = agreed.charged
    contractor = customer = platform = 0
    assert locked_of(agreed, Progress()) == account
    for before, kind, amount, paid in told(agreed, plan):
        assert paid.net >= 0
        assert paid.fees >= 0
        assert paid.net + paid.fees > 0, "a step that moves nothing cannot be posted"
        assert paid.after.spent == before.spent + amount
        account -= paid.net + paid.fees
        assert locked_of(agreed, paid.after) == account >= 0
        contractor += paid.net if kind is RELEASE else 0
        customer += paid.net if kind is REFUND else 0
        platform += paid.fees
        released, refunded = paid.after.released, paid.after.refunded
        # However it was cut: what each has by now depends on how far it came, not on the way.
        assert contractor == agreed.payout * released // agreed.price
        assert customer == refunded + agreed.platform_fee * refunded // agreed.price
    assert account == 0
    assert contractor + customer + platform == agreed.charged


@given(terms, cuts)
def test_every_step_is_the_difference_that_the_formulas_give(agreed: Terms, plan: list[Cut]) -> None:
    """Written out once more, as docs/escrow.md has them."""
    p, fee = agreed.price, agreed.platform_fee
    payout = p * (10_000 - agreed.service_fee_bps) // 10_000
    assert fee == p * agreed.platform_fee_bps // 10_000
    assert (agreed.payout, agreed.service_fee, agreed.charged) == (payout, p - payout, p + fee)
    for before, kind, amount, paid in told(agreed, plan):
        r, f = before.released, before.refunded
        left = fee - fee * paid.after.released // p - fee * paid.after.refunded // p
        of_rounding = left if paid.after.spent == p else 0
        if kind is RELEASE:
            c = payout * (r + amount) // p - payout * r // p
            to_platform = amount - c + fee * (r + amount) // p - fee * r // p
            assert (paid.net, paid.fees) == (c, to_platform + of_rounding)
        else:
            back = amount + fee * (f + amount) // p - fee * f // p
            assert (paid.net, paid.fees) == (back, of_rounding)
        assert of_rounding in {0, 1}


@given(terms)
def test_what_is_refunded_whole_is_what_was_charged(agreed: Terms) -> None:
    paid = step(agreed, Progress(), REFUND, agreed.price)
    assert (paid.net, paid.fees) == (agreed.charged, 0)


@given(terms)
def test_what_is_released_whole_is_the_payout_and_both_fees(agreed: Terms) -> None:
    paid = step(agreed, Progress(), RELEASE, agreed.price)
    assert (paid.net, paid.fees) == (agreed.payout, agreed.service_fee + agreed.platform_fee)


def test_a_tiny_milestone_may_bring_the_contractor_nothing() -> None:
    agreed = Terms(price=100, platform_fee_bps=500, service_fee_bps=2_000)
    assert step(agreed, Progress(), RELEASE, 1) == Step(net=0, fees=1, after=Progress(released=1))


@pytest.mark.parametrize("amount", [0, -1, 61, 100])
def test_nobody_is_paid_more_than_the_rest(amount: int) -> None:
    agreed = Terms(price=100, platform_fee_bps=500, service_fee_bps=2_000)
    for kind in MoveKind:
        with pytest.raises(ValueError, match=f"^{amount} of 60"):
            step(agreed, Progress(released=30, refunded=10), kind, amount)


# ------------------------------------------------------------------ the machine

WAYS = {
    S.FUNDED: {S.ACCEPTED, S.REJECTED, S.CANCELED, S.EXPIRED, S.REFUNDED},
    S.ACCEPTED: {S.PARTIALLY_RELEASED, S.RELEASED, S.REFUNDED, S.SPLIT, S.DISPUTED},
    S.PARTIALLY_RELEASED: {S.RELEASED, S.SPLIT, S.DISPUTED},
    S.DISPUTED: {S.PARTIALLY_RELEASED, S.RELEASED, S.REFUNDED, S.SPLIT},
}


@pytest.mark.parametrize("source", S)
def test_from_each_state_the_drawn_arrows_lead_and_no_other(source: EscrowStatus) -> None:
    assert {target for target in S if MACHINE.allows(source, target)} == WAYS.get(source, set())
    assert (source in SETTLED) == (source not in WAYS)
    assert (source in MACHINE.settled) == (source in MACHINE.final) == (source in SETTLED)


def test_what_expired_is_what_nobody_accepted() -> None:
    assert [source for source in S if MACHINE.allows(source, S.EXPIRED)] == [S.FUNDED]


@given(terms, cuts, st.sampled_from([S.ACCEPTED, S.DISPUTED]))
def test_steps_walk_along_the_arrows(agreed: Terms, plan: list[Cut], start: EscrowStatus) -> None:
    status = start
    steps = told(agreed, plan)
    for _, kind, _, paid in steps:
        after = status_after(status, kind, agreed, paid.after)
        assert after == status or MACHINE.allows(status, after)
        assert (after in RUNNING) == (paid.after.spent < agreed.price)
        status = after
    kinds = {kind for _, kind, _, _ in steps}
    assert status == (S.SPLIT if len(kinds) == 2 else S.RELEASED if RELEASE in kinds else S.REFUNDED)


def test_a_part_that_is_refunded_ends_no_dispute() -> None:
    agreed = Terms(price=100, platform_fee_bps=0, service_fee_bps=0)
    progress = Progress(released=10, refunded=20)
    assert status_after(S.DISPUTED, REFUND, agreed, progress) is S.DISPUTED
    assert status_after(S.DISPUTED, RELEASE, agreed, progress) is S.PARTIALLY_RELEASED
    assert status_after(S.ACCEPTED, REFUND, agreed, Progress(refunded=20)) is S.ACCEPTED
