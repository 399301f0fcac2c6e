"""Money that was not agreed, and what else happens meanwhile: none of it is lost, and none is forgotten."""

from typing import Any

import pytest

from tests.features.test_review import REFUNDS, codes, in_review, resolve, unexplained
from tests.features.test_treasury import charge_of
from tests.house import House, Person
from tests.house.treasury import cards_settle, outcomes, settle_otherwise

SUCCEEDED = "payment_intent.succeeded"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def paid_by_hand(
    house: House, person: Person, deposit: dict[str, Any], *, amount: int = 20_00, currency: str = "usd"
) -> None:
    """Another intent for the deposit is made and paid at Stripe; waits for its receipt."""
    before = len((await person.deposit(deposit["id"]))["receipts"])
    made = {"amount": str(amount), "currency": currency, "metadata[deposit_id]": deposit["id"]}
    intent = await house.stripe.request("POST", "/v1/payment_intents", made)
    card = {"payment_method": "pm_card_visa", "return_url": "https://example.com"}
    await house.stripe.request("POST", f"/v1/payment_intents/{intent['id']}/confirm", card)

    async def received() -> bool:
        return len((await person.deposit(deposit["id"]))["receipts"]) > before

    await house.until(received)


async def refundable(person: Person, deposit: dict[str, Any]) -> tuple[int, str]:
    query = "query ($id: ID!) { deposit(id: $id) { refundable { amount currency } } }"
    shown = (await person.data(query, {"id": deposit["id"]}))["deposit"]["refundable"]
    return shown["amount"], shown["currency"]


@pytest.mark.parametrize("currency", ["usd", "eur"])
async def test_its_own_intent_paid_after_another_was_credited(
    house: House, ada: Person, edith: Person, currency: str
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await paid_by_hand(house, ada, deposit, currency=currency)
    assert (await resolve(edith, deposit, "CREDIT"))["deposit"]["status"] == "SUCCEEDED"

    intent_id = (await house.pay(deposit))["id"]
    await house.until(lambda: house.count("webhook_events", object_id=intent_id, type=SUCCEEDED))
    await house.stripe.redeliver_last(times=3)
    await house.quiet()

    credited = await ada.available() + await ada.available("EUR")
    assert (credited, await unexplained(house)) == (45_00, 0)
    assert await refundable(ada, deposit) == (25_00, "USD")
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("currency", ["usd", "eur"])
async def test_what_is_credited_beside_it_is_not_what_its_own_intent_paid(
    house: House, ada: Person, edith: Person, currency: str
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await paid_by_hand(house, ada, deposit, currency=currency)
    assert (await resolve(edith, deposit, "CREDIT"))["userErrors"] == []
    assert await refundable(ada, deposit) == (25_00, "USD")


async def test_its_own_intent_paid_between_two_decisions(house: House, ada: Person, edith: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await paid_by_hand(house, ada, deposit)
    await paid_by_hand(house, ada, deposit, amount=30_00)
    first, _ = (await ada.deposit(deposit["id"]))["receipts"]
    await resolve(edith, deposit, "CREDIT", of=first)

    await house.pay(deposit)
    await house.settled(ada, deposit)

    present = await ada.deposit(deposit["id"])
    assert present["received"]["amount"] == await ada.available() == 45_00
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("meanwhile", ["its own intent is paid", "another receipt"])
async def test_a_refund_under_way_is_not_forgotten(
    house: House, ada: Person, edith: Person, meanwhile: str
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await paid_by_hand(house, ada, deposit)
    await house.stop_worker()
    await house.stripe.fault("POST", REFUNDS, "error_503")
    assert codes(await resolve(edith, deposit, "REFUND")) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    await house.start_worker()

    if meanwhile == "another receipt":
        await paid_by_hand(house, ada, deposit, amount=30_00)
    else:
        await house.pay(deposit)
        await house.settled(ada, deposit)
    await house.stop_worker()
    for _ in range(3):
        house.clock.advance(minutes=2)
        await house.sweep()
    await house.start_worker()

    assert [refund["amount"] for refund in await house.stripe.objects("refund")] == [20_00]
    assert await unexplained(house) == (30_00 if meanwhile == "another receipt" else 0)
    assert await house.ledger_is_sound()


async def test_a_refund_that_failed_before_we_knew_that_it_was_made(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await in_review(house, ada)
    await house.stripe.fault("POST", REFUNDS, "reset_after_commit")
    assert codes(await resolve(edith, deposit, "REFUND")) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    [refund] = await house.stripe.objects("refund")
    await house.stripe.control(f"/refunds/{refund['id']}", {"outcome": "failed"})
    await house.until(lambda: house.count("webhook_events", type="refund.failed"))
    await house.quiet()

    await house.stop_worker()
    for _ in range(3):
        house.clock.advance(minutes=2)
        await house.sweep()
    await house.start_worker()

    assert len(await house.stripe.objects("refund")) == 1
    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"
    assert await unexplained(house) == 20_00
    await cards_settle(house)
    await house.chore("treasury")
    assert set((await outcomes(house)).values()) == {"BOOKED", "MATCHED"}
    assert (await resolve(edith, deposit, "CREDIT"))["deposit"]["status"] == "SUCCEEDED"
    assert (await ada.available(), await unexplained(house)) == (20_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_waits_for_a_review_is_not_credited_by_a_late_event(house: House, ada: Person) -> None:
    """Stripe's balance was read first, and said that it became euros."""
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    charge = await charge_of(house, deposit["id"])
    await settle_otherwise(house, charge["id"], 23_00, "eur")
    await house.chore("treasury")
    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"

    await house.stripe.webhooks()
    await house.stripe.redeliver_last()
    await house.until(lambda: house.count("webhook_events", type=SUCCEEDED))
    await house.quiet()

    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"
    assert await ada.available() == 0
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_decision_repeated_does_not_decide_about_the_next_receipt(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await paid_by_hand(house, ada, deposit, amount=20_00)
    await paid_by_hand(house, ada, deposit, amount=30_00)
    first, second = (await ada.deposit(deposit["id"]))["receipts"]

    for _ in range(2):
        payload = await resolve(edith, deposit, "CREDIT", of=second)
        assert (payload["userErrors"], payload["deposit"]["status"]) == ([], "NEEDS_REVIEW")
    assert await ada.available() == 30_00
    assert codes(await resolve(edith, deposit, "REFUND", of=second)) == ["INVALID_STATE"]
    assert codes(await resolve(edith, deposit, "CREDIT", of={"paymentIntentId": "pi_none"})) == ["NOT_FOUND"]
    assert (await resolve(edith, deposit, "CREDIT", of=first))["deposit"]["status"] == "SUCCEEDED"
    assert await ada.available() == 50_00
    assert await house.ledger_is_sound()


async def test_no_second_refund_is_decided_while_the_first_is_under_way(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await paid_by_hand(house, ada, deposit, amount=20_00)
    await paid_by_hand(house, ada, deposit, amount=30_00)
    await house.stop_worker()
    await house.stripe.fault("POST", REFUNDS, "error_503")
    first, second = (await ada.deposit(deposit["id"]))["receipts"]
    await resolve(edith, deposit, "REFUND", of=first)

    payload = await resolve(edith, deposit, "REFUND", of=second)

    await house.start_worker()
    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_STATE", ["id"])


async def test_what_comes_after_a_credit_waits_beside_it(house: House, ada: Person, edith: Person) -> None:
    """The deposit has succeeded, and stays so; the new receipt is decided about all the same."""
    deposit = await in_review(house, ada)
    await resolve(edith, deposit, "CREDIT")
    await paid_by_hand(house, ada, deposit, amount=30_00)
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["receipts"][1]["resolution"]) == ("SUCCEEDED", None)
    assert (await ada.available(), await unexplained(house)) == (20_00, 30_00)

    resolved = await resolve(edith, deposit, "REFUND", of=present["receipts"][1])

    assert (resolved["deposit"]["status"], resolved["userErrors"]) == ("SUCCEEDED", [])
    assert (await ada.available(), await unexplained(house)) == (20_00, 0)
    assert await house.ledger_is_sound()


async def test_of_several_the_one_that_is_meant_is_named(house: House, ada: Person, edith: Person) -> None:
    """Else a call that is repeated, for its answer was lost, would decide about the next one."""
    deposit = await in_review(house, ada)
    await paid_by_hand(house, ada, deposit, amount=30_00)

    payload = await resolve(edith, deposit, "CREDIT")

    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_STATE", ["paymentIntentId"])
    assert (await ada.available(), await unexplained(house)) == (0, 50_00)


async def test_a_refund_opens_no_wallet(house: House, ada: Person, edith: Person) -> None:
    deposit = await in_review(house, ada, currency="eur")
    await resolve(edith, deposit, "REFUND")
    assert await house.count("wallets", owner=ada.id, currency="EUR") == 0


async def test_two_refunds_of_one_deposit_are_told_apart(house: House, ada: Person, edith: Person) -> None:
    """The first intent's refs begin the second's; and the second refund failed before either was read."""
    deposit = await in_review(house, ada)
    await paid_by_hand(house, ada, deposit, amount=30_00)
    for receipt in (await ada.deposit(deposit["id"]))["receipts"]:
        assert codes(await resolve(edith, deposit, "REFUND", of=receipt)) == []
    _, second = await house.stripe.objects("refund")
    await house.stripe.control(f"/refunds/{second['id']}", {"outcome": "failed"})
    await house.reaches(ada, deposit, "NEEDS_REVIEW")

    await cards_settle(house)
    await house.chore("treasury")

    assert await unexplained(house) == 30_00
    assert await house.ledger_is_sound(asking_stripe=True)
