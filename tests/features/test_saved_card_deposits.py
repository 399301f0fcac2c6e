"""Deposits paid at once with a saved card: charged by the server, declined, or asked for by the bank."""

from typing import Any

import pytest

from tests.house import House, Person, intent_of

VISA, ASKS, DECLINES = "pm_card_visa", "pm_card_authenticationRequired", "pm_card_chargeCustomerFail"
RETURN_URL = "https://shop.example.com/back?basket=7"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


async def save_card(house: House, person: Person, card: str = VISA) -> str:
    """The id of a card that the person has just saved."""
    secret = (await person.create_setup_intent())["setupIntent"]["clientSecret"]
    path = f"/v1/setup_intents/{secret.partition('_secret_')[0]}/confirm"
    intent = await house.stripe.request("POST", path, {"payment_method": card})
    if intent["status"] == "requires_action":
        action = intent["next_action"]
        await house.stripe.http.post(action["use_stripe_sdk"]["stripe_js"], data={"outcome": "accept"})
    saved: str = (await person.cards())[0]["id"]
    return saved


async def charge(person: Person, card: str, amount: int = 25_00, **more: Any) -> dict[str, Any]:
    """The whole payload of a deposit that is charged at once."""
    more = {"returnUrl": RETURN_URL, **more}
    return await person.create_deposit(amount, paymentMethodId=card, **more)


async def the_intent(house: House) -> dict[str, Any]:
    [intent] = await house.stripe.objects("payment_intent")
    return intent


# ------------------------------------------------------------------ it works


async def test_a_saved_card_is_charged_at_once(house: House, ada: Person) -> None:
    card = await save_card(house, ada)

    payload = await charge(ada, card)

    assert payload["userErrors"] == []
    assert payload["deposit"]["status"] in {"PROCESSING", "SUCCEEDED"}
    settled = await house.settled(ada, payload["deposit"])
    assert (settled["status"], settled["received"]["amount"]) == ("SUCCEEDED", 25_00)
    assert await ada.available() == 25_00
    intent = await the_intent(house)
    assert (intent["status"], intent["metadata"]["deposit_id"]) == ("succeeded", settled["id"])
    assert await house.ledger_is_sound()


async def test_the_answer_alone_credits_nothing(house: House, ada: Person) -> None:
    """Stripe says in the answer that it was paid; what counts is its event, or what the sweep reads."""
    card = await save_card(house, ada)
    await house.stripe.webhooks(drop=1)

    payload = await charge(ada, card)

    assert payload["deposit"]["status"] == "PROCESSING"
    assert payload["deposit"]["waitingFor"]["code"] == "BANK"
    wallet = (await ada.data("{ wallet { available { amount } incoming { amount } } }"))["wallet"]
    assert (wallet["available"]["amount"], wallet["incoming"]["amount"]) == (0, 25_00)
    house.clock.advance(minutes=2)
    assert (await house.settled(ada, payload["deposit"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


async def test_a_replay_charges_once(house: House, ada: Person) -> None:
    card = await save_card(house, ada)
    first = await charge(ada, card, key="rent")
    await house.settled(ada, first["deposit"])
    await ada.remove_card(card)

    again = await charge(ada, card, key="rent")

    assert again["idempotency"]["replayed"] is True
    assert (again["deposit"]["id"], again["userErrors"]) == (first["deposit"]["id"], [])
    assert (await the_intent(house))["amount_received"] == 25_00
    assert await ada.available() == 25_00


async def test_a_new_card_is_kept_when_asked_for(house: House, ada: Person) -> None:
    payload = await ada.create_deposit(25_00, savePaymentMethod=True)
    await house.pay(payload["deposit"])
    await house.settled(ada, payload["deposit"])

    [card] = await ada.cards()

    assert card["last4"] == "4242"
    assert (await the_intent(house))["setup_future_usage"] == "off_session"
    payload = await charge(ada, card["id"])
    await house.settled(ada, payload["deposit"])
    assert await ada.available() == 50_00


async def test_a_card_is_not_kept_unasked(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    assert await ada.cards() == []


# ------------------------------------------------------------------ the card says no


async def test_a_decline_comes_with_its_deposit(house: House, ada: Person) -> None:
    card = await save_card(house, ada, DECLINES)

    payload = await charge(ada, card, key="rent")

    [error] = payload["userErrors"]
    assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_DECLINED")
    assert error["declineCode"] == "generic_decline"
    deposit = payload["deposit"]
    assert (deposit["status"], deposit["failure"]["code"]) == ("FAILED", "card_declined")
    assert (await the_intent(house))["status"] == "requires_payment_method"
    assert deposit["clientSecret"] == (await the_intent(house))["client_secret"]
    assert await ada.available() == 0


async def test_a_replay_of_a_decline_is_told_the_same(house: House, ada: Person) -> None:
    card = await save_card(house, ada, DECLINES)
    first = await charge(ada, card, key="rent")

    again = await charge(ada, card, key="rent")

    assert again["userErrors"] == first["userErrors"]
    assert again["deposit"]["id"] == first["deposit"]["id"]
    await the_intent(house)


async def test_a_declined_one_is_paid_with_another_card(house: House, ada: Person) -> None:
    card = await save_card(house, ada, DECLINES)
    deposit = (await charge(ada, card))["deposit"]

    # With Stripe.js, which names an address to return to, as this intent may redirect.
    paid = {"payment_method": VISA, "return_url": RETURN_URL}
    await house.stripe.request("POST", f"/v1/payment_intents/{intent_of(deposit)}/confirm", paid)

    settled = await house.settled(ada, deposit)
    assert [change["status"] for change in settled["history"]][-2:] == ["FAILED", "SUCCEEDED"]
    assert await ada.available() == 25_00


async def test_a_card_that_is_gone_at_stripe_ends_the_deposit(house: House, ada: Person) -> None:
    """We had not heard yet: Stripe will have no such intent, and says why."""
    card = await save_card(house, ada)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    [method] = [m for m in await house.stripe.objects("payment_method") if m["customer"] is not None]
    await house.stripe.request("POST", f"/v1/payment_methods/{method['id']}/detach")

    payload = await charge(ada, card)

    assert payload["deposit"]["status"] == "CANCELED"
    [error] = payload["userErrors"]
    assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_DECLINED")
    assert await house.stripe.objects("payment_intent") == []


# ------------------------------------------------------------------ the bank asks


async def challenge(house: House, person: Person, **more: Any) -> dict[str, Any]:
    """A deposit that waits for the bank's question to be answered."""
    card = await save_card(house, person, ASKS)
    payload = await charge(person, card, **more)
    assert payload["userErrors"] == []
    deposit: dict[str, Any] = payload["deposit"]
    assert deposit["status"] == "REQUIRES_ACTION"
    assert deposit["waitingFor"]["code"] == "PAYER_ACTION"
    assert deposit["nextActionUrl"].startswith(house.sandbox.url)
    return deposit


async def test_the_bank_is_answered_and_the_payer_comes_back(house: House, ada: Person) -> None:
    deposit = await challenge(house, ada)

    page = await house.stripe.http.get(deposit["nextActionUrl"])
    assert page.status_code == 200
    answer = await house.stripe.http.post(deposit["nextActionUrl"], data={"outcome": "accept"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(RETURN_URL + "&payment_intent=")
    settled = await house.settled(ada, deposit)
    assert (settled["status"], settled["nextActionUrl"]) == ("SUCCEEDED", None)
    assert await ada.available() == 25_00


async def test_who_refuses_has_not_paid(house: House, ada: Person) -> None:
    deposit = await challenge(house, ada)

    await house.stripe.http.post(deposit["nextActionUrl"], data={"outcome": "refuse"})

    failed = await house.reaches(ada, deposit, "FAILED")
    assert failed["failure"]["code"] == "payment_intent_authentication_failure"
    assert failed["nextActionUrl"] is None
    assert await ada.available() == 0


async def test_who_walks_away_has_not_paid_and_may_come_back(house: House, ada: Person) -> None:
    deposit = await challenge(house, ada, key="rent")
    await house.stripe.http.get(deposit["nextActionUrl"])

    again = await ada.deposit(deposit["id"])

    assert (again["status"], again["nextActionUrl"]) == ("REQUIRES_ACTION", deposit["nextActionUrl"])


async def test_a_frictionless_card_is_not_asked(house: House, ada: Person) -> None:
    card = await save_card(house, ada, "pm_card_threeDSecureOptional")
    payload = await charge(ada, card)
    assert (await house.settled(ada, payload["deposit"]))["status"] == "SUCCEEDED"


async def test_only_the_owner_is_sent_to_the_bank(house: House, ada: Person) -> None:
    deposit = await challenge(house, ada)
    admin = await house.admin()
    assert (await admin.deposit(deposit["id"]))["nextActionUrl"] is None
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert deposit["nextActionUrl"].encode() not in stored["next_action_url"]


# ------------------------------------------------------------------ bad input


async def refused(house: House, payload: dict[str, Any], code: str, path: str) -> None:
    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == (code, [path])
    assert payload["deposit"] is None
    assert await house.count("deposits") == 0
    assert await house.stripe.objects("payment_intent") == []


async def test_somebody_elses_card_is_not_there(house: House, ada: Person) -> None:
    card = await save_card(house, ada)
    mallory = await house.customer("mallory")
    await refused(house, await charge(mallory, card), "NOT_FOUND", "paymentMethodId")


@pytest.mark.parametrize(
    "card", ["", "pm_card_visa", "pmt_01M883X3CKZ5YYV8860CWXN1RN", "x" * 10_000, "\u0000"]
)
async def test_a_card_that_is_none(house: House, ada: Person, card: str) -> None:
    await refused(house, await charge(ada, card), "NOT_FOUND", "paymentMethodId")


async def test_a_removed_card_is_never_charged(house: House, ada: Person) -> None:
    card = await save_card(house, ada)
    await ada.remove_card(card)
    await refused(house, await charge(ada, card), "NOT_FOUND", "paymentMethodId")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "shop.example.com/back",
        "/back",
        "https://",
        "https:///back",
        "com.example.shop:/back",
        "http://[::1",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://shop.example.com/a b",
        "https://shop.example.com/\n",
        "https://shop.example.com/" + "x" * 2_048,
    ],
)
async def test_a_return_url_that_leads_nowhere(house: House, ada: Person, url: str | None) -> None:
    card = await save_card(house, ada)
    await refused(house, await charge(ada, card, returnUrl=url), "INVALID_INPUT", "returnUrl")


async def test_an_apps_own_link_is_good(house: House, ada: Person) -> None:
    card = await save_card(house, ada, ASKS)
    payload = await charge(ada, card, returnUrl="com.example.shop://back")
    answer = await house.stripe.http.post(payload["deposit"]["nextActionUrl"], data={"outcome": "accept"})
    assert answer.headers["location"].startswith("com.example.shop://back?payment_intent=")


async def test_a_key_is_good_for_one_way_of_paying(house: House, ada: Person) -> None:
    card = await save_card(house, ada)
    await charge(ada, card, key="rent")
    payload = await ada.create_deposit(25_00, key="rent")
    [error] = payload["userErrors"]
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert error["conflictingFields"] == ["paymentMethodId", "returnUrl"]
