"""Whatever goes wrong at Stripe while a deposit is made: in the end there is one of everything."""

import asyncio
from typing import Any

import pytest

from tests.house import House, Person
from tests.house.sandbox import FAULTS, TIMEOUTS

CUSTOMERS, INTENTS = "/v1/customers", "/v1/payment_intents"


def is_unavailable(payload: dict[str, Any]) -> bool:
    """The deposit stands, and its maker is told to try again."""
    [error] = payload["userErrors"] or [None]
    assert payload["deposit"]["status"] == "REQUIRES_PAYMENT"
    if error is None:
        return False
    assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_PROVIDER_UNAVAILABLE")
    return True


async def replayed(house: House, person: Person) -> dict[str, Any]:
    """The deposit, once its replay answers without an error."""

    async def answered() -> dict[str, Any] | None:
        payload = await person.create_deposit(25_00, key="rent")
        assert payload["idempotency"]["replayed"] is True
        return None if is_unavailable(payload) else payload["deposit"]

    deposit: dict[str, Any] = await house.until(answered)
    return deposit


async def swept(house: House, person: Person, deposit: dict[str, Any]) -> dict[str, Any]:
    """The deposit, after two rounds of the sweep alone."""
    await house.stop_worker()
    try:
        for _ in range(2):
            house.clock.advance(minutes=2)
            await house.sweep()
        return await person.deposit(deposit["id"])
    finally:
        await house.start_worker()


async def one_of_each(house: House, person: Person, deposit: dict[str, Any]) -> None:
    """One customer and one intent of theirs at Stripe, and the deposit is that intent's."""
    customers = await house.stripe.objects("customer")
    [customer] = [one for one in customers if one["metadata"]["user_id"] == person.id]
    intents = await house.stripe.objects("payment_intent")
    [intent] = [one for one in intents if one["metadata"]["deposit_id"] == deposit["id"]]
    assert intent["customer"] == customer["id"]
    assert deposit["clientSecret"] == intent["client_secret"]


@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_replay_finishes_what_a_fault_cut_off(house: House, path: str, fault: str) -> None:
    ada = await house.customer()
    await house.stripe.fault("POST", path, fault)
    payload = await ada.create_deposit(25_00, key="rent")
    assert is_unavailable(payload)
    assert payload["deposit"]["waitingFor"]["code"] == "PAYMENT_PROVIDER"
    assert payload["deposit"]["clientSecret"] is None

    deposit = await replayed(house, ada)

    assert deposit["id"] == payload["deposit"]["id"]
    await one_of_each(house, ada, deposit)


@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_finishes_what_a_fault_cut_off(house: House, path: str, fault: str) -> None:
    """Twice in a row: once while it is made, and once under the sweep's first round."""
    ada = await house.customer()
    await house.stripe.fault("POST", path, fault, times=2)
    payload = await ada.create_deposit(25_00, key="rent")
    assert is_unavailable(payload)

    deposit = await swept(house, ada, payload["deposit"])

    await one_of_each(house, ada, deposit)


async def test_a_call_that_is_never_answered_is_finished_too(house: House) -> None:
    """All at once, for each of them waits for as long as we wait for Stripe."""
    people = [await house.customer(name) for name in ("ada", "charles", "mary", "george")]
    known = people[:2]
    for person in known:
        await person.deposits(usd=1_00)
    for path in (CUSTOMERS, INTENTS):
        for fault in TIMEOUTS:
            await house.stripe.fault("POST", path, fault)

    payloads = await asyncio.gather(*(person.create_deposit(25_00, key="rent") for person in people))
    # Whom the sweep has helped meanwhile is answered as if nothing had been.
    for payload in payloads:
        is_unavailable(payload)

    for person in people:
        deposit = await replayed(house, person)
        await one_of_each(house, person, deposit)
        await house.pay(deposit)
        await house.settled(person, deposit)
        assert await person.available() == 25_00
    assert await house.ledger_is_sound()
    requests = (await house.stripe.state())["requests"]
    assert len([request for request in requests if request["method"] == "POST"]) > 4 * 3


async def test_faults_of_every_kind_in_a_row(house: House) -> None:
    ada = await house.customer()
    for path in (CUSTOMERS, INTENTS):
        for fault in FAULTS:
            await house.stripe.fault("POST", path, fault)
    await ada.create_deposit(25_00, key="rent")

    deposit = await replayed(house, ada)

    await one_of_each(house, ada, deposit)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    assert await ada.available() == 25_00


async def test_an_outage_while_stripe_is_read_changes_nothing(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("GET", "/v1/payment_intents/*", "error_503", times=4)
    await house.pay(deposit)

    house.clock.advance(minutes=2)
    await house.until(lambda: house.count("deposits", attempts_made={"$gte": 1}))
    assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_PAYMENT"

    house.clock.advance(minutes=10)
    await house.settled(ada, deposit)
    assert await ada.available() == 25_00


# ------------------------------------------------------------------ a definite no


@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
async def test_what_stripe_refuses_is_over(house: House, path: str) -> None:
    ada = await house.customer()
    await house.stripe.fault("POST", path, "error_400", code="email_invalid")

    first = await ada.create_deposit(25_00, key="rent")
    again = await ada.create_deposit(25_00, key="rent")

    for payload in (first, again):
        deposit = payload["deposit"]
        assert (deposit["status"], deposit["failure"]["code"]) == ("CANCELED", "email_invalid")
        assert deposit["clientSecret"] is deposit["waitingFor"] is None
        [error] = payload["userErrors"]
        assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_DECLINED")
        assert error["message"] == deposit["failure"]["message"]
    assert (first["idempotency"]["replayed"], again["idempotency"]["replayed"]) == (False, True)
    assert await house.stripe.objects("payment_intent") == []

    # A new intention is a new question.
    other = await ada.deposits(usd=25_00)
    await one_of_each(house, ada, other)


async def test_a_no_after_an_unknown_answer_is_looked_up(house: House) -> None:
    """The first sending may have made it: a refusal of the second says nothing about the first."""
    ada = await house.customer()
    await house.stripe.fault("POST", INTENTS, "reset_after_commit")
    await house.stripe.fault("POST", INTENTS, "error_401")
    payload = await ada.create_deposit(25_00, key="rent")
    assert is_unavailable(payload)

    deposit = await replayed(house, ada)

    await one_of_each(house, ada, deposit)


async def test_a_key_that_stripe_has_forgotten_is_looked_up(house: House) -> None:
    """After 24 hours the same key could make a second intent: it is never sent again."""
    ada = await house.customer()
    await house.stop_worker()
    try:
        await house.stripe.fault("POST", INTENTS, "reset_after_commit")
        payload = await ada.create_deposit(25_00, key="rent")
        assert is_unavailable(payload)
        posts = len((await house.stripe.state())["requests"])
        house.clock.advance(hours=24, minutes=1)
        await house.sweep()
    finally:
        await house.start_worker()

    requests = (await house.stripe.state())["requests"][posts:]
    assert [request["method"] for request in requests if request["path"] == INTENTS] == ["GET"]
    stored = await house.collection("deposits").find_one({"_id": payload["deposit"]["id"]})
    [intent] = await house.stripe.objects("payment_intent")
    assert stored["payment_intent_id"] == intent["id"]
