"""Deposits that end unpaid: canceled by their owner, or when their time is over. A racing payment wins."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain import deposits
from domain.deposits import CreateDeposit
from tests.features.test_saved_card_deposits import ASKS, VISA, charge, save_card
from tests.house import House, Person, intent_of
from tests.house.sandbox import FAULTS

CANCEL = """
mutation ($input: CancelDepositInput!) {
  cancelDeposit(input: $input) {
    deposit { id status waitingFor { code } history { status actor reason } }
    userErrors { __typename code path }
  }
}
"""
INTENTS, CUSTOMERS = "/v1/payment_intents", "/v1/customers"
CANCELING = "/v1/payment_intents/*/cancel"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


async def cancel(person: Person, deposit: dict[str, Any]) -> dict[str, Any]:
    """The whole payload of cancelDeposit."""
    answer = await person.data(CANCEL, {"input": {"id": deposit["id"]}})
    payload: dict[str, Any] = answer["cancelDeposit"]
    return payload


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def the_intent(house: House) -> dict[str, Any]:
    [intent] = await house.stripe.objects("payment_intent")
    return intent


async def swept(house: House, person: Person, *, rounds: int = 1, **pause: float) -> None:
    """The sweep alone, some rounds, with a pause before each, after which the person signs in again."""
    await house.stop_worker()
    try:
        for _ in range(rounds):
            house.clock.advance(**pause)
            await house.sweep()
    finally:
        await house.start_worker()
    await person.refresh()


# ------------------------------------------------------------------ by its owner


async def test_an_unpaid_deposit_is_canceled(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)

    payload = await cancel(ada, deposit)

    assert payload["userErrors"] == []
    assert payload["deposit"]["status"] == "CANCELED"
    last = payload["deposit"]["history"][-1]
    assert (last["actor"], last["reason"]) == ("owner", "canceled by its owner")
    intent = await the_intent(house)
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "requested_by_customer")
    present = await ada.deposit(deposit["id"])
    assert (present["clientSecret"], present["expiresAt"], present["waitingFor"]) == (None, None, None)


async def test_once_more_is_no_change(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    first = await cancel(ada, deposit)
    assert await cancel(ada, deposit) == first


async def test_who_watches_sees_it_end(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    query = "subscription ($id: ID!) { depositUpdated(id: $id) { status } }"
    async with ada.subscribe(query, {"id": deposit["id"]}) as subscription:
        assert await subscription.next() == {"depositUpdated": {"status": "REQUIRES_PAYMENT"}}
        await cancel(ada, deposit)
        seen = await subscription.until_complete()
    assert seen[-1] == {"depositUpdated": {"status": "CANCELED"}}


async def test_a_declined_one_and_one_before_the_bank_can_be_canceled(house: House, ada: Person) -> None:
    declined = await ada.deposits(usd=25_00)
    await house.pay(declined, "pm_card_chargeDeclined")
    await house.reaches(ada, declined, "FAILED")
    asked = (await charge(ada, await save_card(house, ada, ASKS)))["deposit"]

    assert [(await cancel(ada, deposit))["deposit"]["status"] for deposit in (declined, asked)] == [
        "CANCELED",
        "CANCELED",
    ]
    answer = await house.stripe.http.post(asked["nextActionUrl"], data={"outcome": "accept"})
    assert answer.status_code == 410
    assert await ada.available() == 0


async def test_a_paid_one_is_not_canceled(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)

    payload = await cancel(ada, deposit)

    assert codes(payload) == ["INVALID_STATE"]
    assert payload["deposit"]["status"] == "SUCCEEDED"


async def test_one_that_stripe_was_paid_for_is_credited_instead(house: House, ada: Person) -> None:
    """Its event is lost, so we learn of it when Stripe refuses to cancel."""
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)

    payload = await cancel(ada, deposit)

    assert codes(payload) == ["INVALID_STATE"]
    assert payload["deposit"]["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


async def test_a_payment_that_races_it_wins_or_is_impossible(house: House, ada: Person) -> None:
    deposits = [await ada.deposits(usd=1_00) for _ in range(12)]

    await asyncio.gather(
        *(cancel(ada, deposit) for deposit in deposits), *(house.pay(deposit) for deposit in deposits)
    )

    settled = [await house.settled(ada, deposit) for deposit in deposits]
    intents = {intent["id"]: intent["status"] for intent in await house.stripe.objects("payment_intent")}
    for before, after in zip(deposits, settled, strict=True):
        assert intents[intent_of(before)] == after["status"].lower()
    paid = sum(deposit["status"] == "SUCCEEDED" for deposit in settled)
    assert await ada.available() == paid * 1_00
    assert await house.ledger_is_sound()


async def test_ten_at_once_cancel_it_once(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    payloads = await asyncio.gather(*(cancel(ada, deposit) for _ in range(10)))
    assert {payload["deposit"]["status"] for payload in payloads} == {"CANCELED"}
    history = (await ada.deposit(deposit["id"]))["history"]
    assert [change["status"] for change in history] == ["REQUIRES_PAYMENT", "CANCELED"]


async def test_nobody_elses_is_there(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    mallory = await house.customer("mallory")
    for person, wanted in ((mallory, deposit), (ada, {"id": "dep_none"})):
        payload = await cancel(person, wanted)
        assert (codes(payload), payload["userErrors"][0]["path"]) == (["NOT_FOUND"], ["id"])
        assert payload["deposit"] is None
    assert (await the_intent(house))["status"] == "requires_payment_method"


async def test_only_a_customer_who_is_signed_in_cancels(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    variables = {"input": {"id": deposit["id"]}}
    assert (await house.nobody().ask(CANCEL, variables)).code == "UNAUTHENTICATED"
    assert (await (await house.contractor()).ask(CANCEL, variables)).code == "FORBIDDEN"


# ------------------------------------------------------------------ when Stripe does not answer


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_carries_out_what_a_fault_cut_off(house: House, ada: Person, fault: str) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", CANCELING, fault)

    payload = await cancel(ada, deposit)

    assert codes(payload) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert payload["deposit"]["waitingFor"]["code"] == "CANCELLATION"
    await house.start_worker()
    await swept(house, ada, minutes=2)
    present = await ada.deposit(deposit["id"])
    assert present["status"] == "CANCELED"
    assert present["history"][-1]["actor"] == "owner"
    assert (await the_intent(house))["status"] == "canceled"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
async def test_one_whose_intent_is_not_known_ends_too(
    house: House, ada: Person, path: str, fault: str
) -> None:
    """Whatever became of the question, nothing that can be paid is left at Stripe."""
    await house.stop_worker()
    await house.stripe.fault("POST", path, fault)
    deposit = (await ada.create_deposit(25_00))["deposit"]

    await cancel(ada, deposit)

    await house.start_worker()
    await swept(house, ada, rounds=3, minutes=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    intents = await house.stripe.objects("payment_intent")
    assert [intent["status"] for intent in intents] in ([], ["canceled"])


async def test_what_was_never_asked_is_canceled_without_asking(house: House, ada: Person) -> None:
    await house.stop_worker()
    await house.stripe.fault("POST", CUSTOMERS, "rate_limit_429")
    deposit = (await ada.create_deposit(25_00))["deposit"]

    payload = await cancel(ada, deposit)

    assert (payload["deposit"]["status"], payload["userErrors"]) == ("CANCELED", [])
    assert await house.stripe.objects("payment_intent") == []
    assert (await ada.create_deposit(25_00))["userErrors"] == []
    await house.start_worker()


async def test_a_charge_that_never_had_its_turn_is_canceled_at_once(house: House, ada: Person) -> None:
    """So many wait to ask Stripe that the lease passes before it is sent: it certainly was not."""
    card = await save_card(house, ada)
    hurried = house.with_policy(lease=timedelta(0))
    command = CreateDeposit(25_00, "USD", "rent", payment_method_id=card, return_url="https://example.com/")
    created = await deposits.create(hurried, ada.id, command, budget=house.limits.deposits)
    assert created.refusal is not None

    payload = await cancel(ada, {"id": created.deposit.id})

    assert (payload["deposit"]["status"], payload["userErrors"]) == ("CANCELED", [])
    assert await house.stripe.objects("payment_intent") == []


async def test_a_card_is_not_charged_after_its_owner_said_no(house: House, ada: Person) -> None:
    """Nobody knows whether it was charged: it is looked up, and never sent again."""
    card = await save_card(house, ada)
    await house.stop_worker()
    await house.stripe.fault("POST", INTENTS, "reset_before_commit")
    deposit = (await charge(ada, card, key="rent"))["deposit"]

    payload = await cancel(ada, deposit)
    assert payload["deposit"]["waitingFor"]["code"] == "CANCELLATION"
    await charge(ada, card, key="rent")
    await swept(house, ada, rounds=3, hours=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_PAYMENT"

    # The key is spent after a day: that nothing was found, twice, is an answer then.
    await swept(house, ada, rounds=3, hours=10)
    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    assert await house.stripe.objects("payment_intent") == []


async def test_a_card_that_was_charged_before_is_credited(house: House, ada: Person) -> None:
    card = await save_card(house, ada, VISA)
    await house.quiet()
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", INTENTS, "reset_after_commit")
    deposit = (await charge(ada, card))["deposit"]

    await cancel(ada, deposit)

    await house.start_worker()
    await swept(house, ada, rounds=2, minutes=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


# ------------------------------------------------------------------ by time


async def test_what_nobody_pays_ends_after_a_day(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    assert deposit["waitingFor"]["until"] == deposit["expiresAt"]
    await swept(house, ada, hours=23)
    assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_PAYMENT"

    await swept(house, ada, hours=1.1)

    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["expiresAt"]) == ("CANCELED", None)
    last = present["history"][-1]
    assert (last["actor"], last["reason"]) == ("worker", "nobody paid it in time")
    intent = await the_intent(house)
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned")
    assert await house.count("deposits", next_attempt_at={"$ne": None}) == 0


async def test_the_worker_ends_it_on_time(house: House, ada: Person) -> None:
    """By itself: what is due next is never later than the end."""
    deposit = await ada.deposits(usd=25_00)
    await swept(house, ada, rounds=6, hours=3.5)
    house.clock.advance(hours=3.1)
    await ada.refresh()
    await house.reaches(ada, deposit, "CANCELED")


async def test_who_walked_away_from_the_bank_is_not_charged_later(house: House, ada: Person) -> None:
    deposit = (await charge(ada, await save_card(house, ada, ASKS)))["deposit"]
    await swept(house, ada, hours=24.1)
    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    assert (await the_intent(house))["status"] == "canceled"


async def test_a_payment_just_before_the_end_is_credited(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)

    await swept(house, ada, hours=24.1)

    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


async def test_one_that_stripe_never_answered_for_ends_as_well(house: House, ada: Person) -> None:
    await house.stop_worker()
    await house.stripe.fault("POST", INTENTS, "error_503")
    deposit = (await ada.create_deposit(25_00))["deposit"]
    await house.start_worker()

    await swept(house, ada, rounds=3, hours=24.1)

    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    intents = await house.stripe.objects("payment_intent")
    assert [intent["status"] for intent in intents] in ([], ["canceled"])


async def test_a_success_that_reaches_a_canceled_deposit_is_credited(house: House, ada: Person) -> None:
    """We had given it up, and Stripe was paid all the same: a fact about money is never ignored."""
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    paid = await house.pay(deposit)
    assert paid["status"] == "succeeded"
    await house.collection("deposits").update_one(
        {"_id": deposit["id"]},
        {"$set": {"status": "CANCELED", "next_attempt_at": None}, "$inc": {"version": 1}},
    )
    events = await house.stripe.objects("event")
    [succeeded] = [event for event in events if event["type"] == "payment_intent.succeeded"]

    await house.deliver(succeeded)

    await house.reaches(ada, deposit, "SUCCEEDED")
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()
