"""Whatever is sent, taken back, paid out and sent back: no money is made, and none is lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.stripe import (
    SandboxConfig,
    accounts,
    balance,
    external_accounts,
    onboarding,
    payouts,
    reversals,
    timers,
    transfers,
)
from sandbox.stripe.errors import StripeError
from sandbox.stripe.objects import Object
from sandbox.stripe.sandbox import Sandbox, open_sandbox
from sandbox.stripe.standing import Outcome
from tests.sandbox.running import CONTRACTOR, PUBLISHABLE_KEY, SECRET_KEY

A_DAY_S = 86_400
FLOAT = 1_000
PEOPLE = 2
GONE = {"pending", "in_transit", "paid"}


@dataclass
class Story:
    """A sandbox and who is paid there. What Stripe refuses does not happen."""

    sandbox: Sandbox
    people: list[str]

    def objects(self, kind: str) -> list[Object]:
        return [stored.body for stored in self.sandbox.store.all_objects(kind)]

    def send(self, person: int, amount: int) -> None:
        sending = {"amount": amount, "currency": "usd", "destination": self.people[person]}
        with suppress(StripeError), self.sandbox.change() as tx:
            transfers.create(tx, sending)

    def take_back(self, which: int, amount: int) -> None:
        if sent := self.objects("transfer"):
            with suppress(StripeError), self.sandbox.change() as tx:
                reversals.create(tx, {"amount": amount}, id=sent[-1 - which % len(sent)]["id"])

    def pay_out(self, person: int, amount: int) -> None:
        with suppress(StripeError), self.sandbox.change(account=self.people[person]) as tx:
            payouts.create(tx, {"amount": amount, "currency": "usd"})

    def pay_all_out(self, person: int) -> None:
        with suppress(StripeError), self.sandbox.change(account=self.people[person]) as tx:
            payouts.pay_all_out(tx)

    def answer(self, which: int, outcome: str) -> None:
        """What becomes of a payout: the bank's answer, or it is called off."""
        if not (made := self.objects("payout")):
            return
        payout = made[-1 - which % len(made)]["id"]
        with suppress(StripeError), self.sandbox.change() as tx:
            there = tx.on(payouts.account_of(tx, payout))
            if outcome == "canceled":
                payouts.cancel(there, {}, payout=payout)
            else:
                payouts.conclude(there, payout, outcome)

    def change_bank(self, person: int, bank: int) -> None:
        with self.sandbox.change() as tx:
            onboarding.change_bank(tx, self.people[person], external_accounts.TEST_BANKS[bank])

    def think_about(self, person: int, outcome: Outcome) -> None:
        with self.sandbox.change() as tx:
            onboarding.conclude(tx, self.people[person], outcome)

    def wait(self, hours: int) -> None:
        clock = self.sandbox.clock
        timers.play(self.sandbox, until=clock.now() + hours * 3600)
        clock.skip(hours * 3600)

    def check(self) -> None:
        held = []
        for account in ("", *self.people):
            with self.sandbox.change(account=account) as tx:
                held.append(balance.available(tx, "usd"))
                shown = balance.retrieve(tx, {})
                assert [one["amount"] for one in shown["available"]] == held[-1:]
                assert [one["amount"] for one in shown["pending"]] == [0]
        assert min(held) >= 0
        made = self.objects("payout")
        assert sum(held) + sum(one["amount"] for one in made if one["status"] in GONE) == FLOAT
        for one in self.objects("transfer"):
            parts = [each for each in self.objects("transfer_reversal") if each["transfer"] == one["id"]]
            assert one["amount_reversed"] == sum(each["amount"] for each in parts) <= one["amount"]
            assert one["reversed"] is (one["amount_reversed"] == one["amount"])
        self._check_what_is_in(made)

    def _check_what_is_in(self, made: list[Object]) -> None:
        """Every transaction is in one automatic payout at most, and each of these sums up to nothing."""
        contents = []
        for one in made:
            if one["automatic"] and one["reconciliation_status"] == "completed":
                with self.sandbox.change() as tx:
                    there = tx.on(payouts.account_of(tx, one["id"]))
                    listed = balance.list_transactions(there, {"payout": one["id"], "limit": 100})
                assert sum(each["net"] for each in listed["data"]) == 0
                assert one["balance_transaction"] in [each["id"] for each in listed["data"]]
                contents.append([each["id"] for each in listed["data"]])
        flat = list(chain.from_iterable(contents))
        assert len(flat) == len(set(flat))


def began() -> Story:
    config = SandboxConfig(database=None, secret_key=SECRET_KEY, publishable_key=PUBLISHABLE_KEY, seed=1)
    story = Story(open_sandbox(config), [])
    with story.sandbox.change() as tx:
        balance.set_float(tx, currency="usd", amount=FLOAT, announce=False)
        for _ in range(PEOPLE):
            person = accounts.create(tx, CONTRACTOR)["id"]
            onboarding.conclude(tx, person, Outcome.ACTIVE)
            story.people.append(person)
    return story


person = st.integers(0, PEOPLE - 1)
amount = st.sampled_from([1, 20, 50, 90, 400])
which = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("send"), person, amount),
    st.tuples(st.just("take_back"), which, amount),
    st.tuples(st.just("pay_out"), person, amount),
    st.tuples(st.just("pay_all_out"), person),
    st.tuples(st.just("answer"), which, st.sampled_from(["paid", "failed", "canceled"])),
    st.tuples(st.just("change_bank"), person, st.integers(0, len(external_accounts.TEST_BANKS) - 1)),
    st.tuples(
        st.just("think_about"),
        person,
        st.sampled_from([Outcome.ACTIVE, Outcome.PAYOUTS_DISABLED, Outcome.RESTRICTED]),
    ),
    st.tuples(st.just("wait"), st.integers(1, 60)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=10, max_size=40))
def test_money_adds_up(story_steps: list[tuple[Any, ...]]) -> None:
    story = began()
    try:
        for name, *arguments in story_steps:
            getattr(story, name)(*arguments)
            story.check()
        story.wait(72)
        story.check()
        assert all(
            one["reconciliation_status"] != "in_progress"
            for one in story.objects("payout")
            if one["status"] in {"paid", "failed"}
        )
    finally:
        story.sandbox.store.close()
