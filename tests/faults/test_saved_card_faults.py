"""Whatever goes wrong at Stripe while a saved card is charged: it is charged once, and credited once."""

import asyncio
from typing import Any

import pytest

from tests.faults.test_stripe_faults import INTENTS
from tests.features.test_saved_card_deposits import DECLINES, charge, save_card
from tests.house import House, Person
from tests.house.sandbox import FAULTS, TIMEOUTS


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


async def charged_once(house: House, person: Person, deposit: dict[str, Any]) -> None:
    """One intent, one charge, one credit."""
    settled = await house.settled(person, deposit)
    assert settled["status"] == "SUCCEEDED"
    [intent] = await house.stripe.objects("payment_intent")
    assert intent["metadata"]["deposit_id"] == deposit["id"]
    assert len(await house.stripe.objects("charge")) == 1
    assert await person.available() == 25_00
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_replay_finishes_what_a_fault_cut_off(house: House, ada: Person, fault: str) -> None:
    card = await save_card(house, ada)
    await house.stop_worker()
    await house.stripe.fault("POST", INTENTS, fault)
    first = await charge(ada, card, key="rent")

    async def answered() -> bool:
        payload = await charge(ada, card, key="rent")
        assert payload["deposit"]["id"] == first["deposit"]["id"]
        return not payload["userErrors"]

    await house.until(answered)
    await house.start_worker()
    await charged_once(house, ada, first["deposit"])


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_finishes_what_a_fault_cut_off(house: House, ada: Person, fault: str) -> None:
    card = await save_card(house, ada)
    await house.stop_worker()
    await house.stripe.fault("POST", INTENTS, fault, times=2)
    deposit = (await charge(ada, card))["deposit"]

    for _ in range(3):
        house.clock.advance(minutes=2)
        await house.sweep()

    await house.start_worker()
    await charged_once(house, ada, deposit)


@pytest.mark.parametrize("fault", TIMEOUTS)
async def test_an_answer_that_never_comes(house: House, ada: Person, fault: str) -> None:
    card = await save_card(house, ada)
    await house.stripe.fault("POST", INTENTS, fault)
    payloads = await asyncio.gather(*(charge(ada, card, key="rent") for _ in range(5)))
    assert {payload["deposit"]["id"] for payload in payloads} == {payloads[0]["deposit"]["id"]}
    house.clock.advance(minutes=2)
    await charged_once(house, ada, payloads[0]["deposit"])


async def test_a_hundred_racing_calls_charge_once(house: House, ada: Person) -> None:
    card = await save_card(house, ada)
    payloads = await asyncio.gather(*(charge(ada, card, key="rent") for _ in range(100)))
    assert {payload["deposit"]["id"] for payload in payloads} == {payloads[0]["deposit"]["id"]}
    await charged_once(house, ada, payloads[0]["deposit"])


@pytest.mark.parametrize("fault", ["reset_after_commit", "truncate_after_commit", "error_500_after_commit"])
async def test_a_decline_whose_answer_was_lost(house: House, ada: Person, fault: str) -> None:
    """The intent is there, and declined: it is found, never made again."""
    card = await save_card(house, ada, DECLINES)
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", INTENTS, fault)
    deposit = (await charge(ada, card, key="rent"))["deposit"]

    for _ in range(3):
        house.clock.advance(minutes=2)
        await house.sweep()

    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["failure"]["code"]) == ("FAILED", "card_declined")
    assert len(await house.stripe.objects("payment_intent")) == 1
    [error] = (await charge(ada, card, key="rent"))["userErrors"]
    assert (error["code"], error["declineCode"]) == ("PAYMENT_DECLINED", "generic_decline")
    await house.start_worker()


async def test_a_decline_that_is_known_before_its_answer_is_lost(house: House, ada: Person) -> None:
    card = await save_card(house, ada, DECLINES)
    await house.stripe.fault("POST", INTENTS, "timeout_after_commit")

    payload = await charge(ada, card, key="rent")

    assert payload["deposit"]["status"] == "FAILED"
    [error] = payload["userErrors"]
    assert (error["code"], error["declineCode"]) == ("PAYMENT_DECLINED", "generic_decline")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("reset_after_commit", "Whether the card was charged is not known"),
        ("rate_limit_429", "Nothing was charged"),
    ],
)
async def test_nobody_is_told_that_nothing_was_charged_unless_it_is_so(
    house: House, ada: Person, fault: str, said: str
) -> None:
    card = await save_card(house, ada)
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", INTENTS, fault)
    [error] = (await charge(ada, card, key="rent"))["userErrors"]
    assert error["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
    assert said in error["message"]
