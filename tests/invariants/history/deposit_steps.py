"""Rules of money in: deposits, the cards that pay them, and what administrators decide about them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, consumes, initialize, multiple, rule

from sandbox.stripe.cards import TEMPLATES
from tests.invariants.history import peace, people, stripe
from tests.invariants.history.steps import (
    Steps,
    amounts,
    currencies,
    moments_ms,
    odd,
    payers,
    places,
    saved,
    wishes,
)
from tests.invariants.history.world import Card, Payer, Wish

PAYERS_MAX = 3
CARDS = sorted({card.name for card in TEMPLATES.values()})
SAVEABLE = sorted({card.name for card in TEMPLATES.values() if card.attaches})

cards = st.sampled_from(CARDS)
# What becomes of their refunds differs.
paying = st.sampled_from(["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"])
commands = st.fixed_dictionaries(
    {"amount": amounts, "currency": currencies},
    optional={"savePaymentMethod": st.booleans(), "checkout": st.just(people.CHECKOUT)},
)
# The first pays days later, the second sends the debit back.
bank_accounts = st.sampled_from(["000123456789", "000222222227"])
outcomes = st.sampled_from(people.OUTCOMES)


class DepositSteps(Steps):
    """People pay in, well or badly."""

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

    @rule(wish=wishes, bank_account=bank_accounts)
    def pays_by_bank(self, wish: Wish, bank_account: str) -> None:
        self._do("pay by bank", people.pay_later(self._world, wish, bank_account))

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
