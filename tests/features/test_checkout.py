"""Deposits paid on a page of Stripe's: at once, days later, with another card, too late, or not at all."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain import deposits
from domain.deposits import CheckoutAddresses, CreateDeposit
from tests.features.test_canceling import cancel, codes, swept
from tests.house import House, Person
from tests.house.people import CREATE_DEPOSIT
from tests.house.treasury import cards_settle

ADDRESSES = {
    "successUrl": "https://shop.example.com/done?session={CHECKOUT_SESSION_ID}",
    "cancelUrl": "https://shop.example.com/basket",
}
UPDATES = "subscription ($id: ID!) { depositUpdated(id: $id) { status checkoutUrl } }"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


async def checks_out(person: Person, amount: int = 25_00, **more: Any) -> dict[str, Any]:
    """A deposit that waits to be paid on its page."""
    payload = await person.create_deposit(amount, checkout=ADDRESSES, **more)
    assert payload["userErrors"] == []
    deposit: dict[str, Any] = payload["deposit"]
    return deposit


def session_of(deposit: dict[str, Any]) -> str:
    """The id of a deposit's Checkout Session, as its payer knows it."""
    session_id: str = deposit["checkoutUrl"].rpartition("/")[2]
    return session_id


async def on_page(house: House, deposit: dict[str, Any], outcome: str = "paid", **more: Any) -> None:
    await house.stripe.pay_checkout(session_of(deposit), outcome, **more)


async def the_session(house: House) -> dict[str, Any]:
    [session] = await house.stripe.objects("checkout.session")
    return session


async def the_intent(house: House) -> dict[str, Any]:
    [intent] = await house.stripe.objects("payment_intent")
    return intent


def statuses(deposit: dict[str, Any]) -> list[str]:
    return [change["status"] for change in deposit["history"]]


# ------------------------------------------------------------------ it is paid


async def test_what_is_paid_on_the_page_raises_the_wallet(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    assert (deposit["status"], deposit["clientSecret"]) == ("REQUIRES_PAYMENT", None)
    assert deposit["waitingFor"]["code"] == "PAYMENT"

    await on_page(house, deposit)

    settled = await house.settled(ada, deposit)
    assert (settled["status"], settled["received"]["amount"]) == ("SUCCEEDED", 25_00)
    assert settled["checkoutUrl"] is settled["clientSecret"] is settled["failure"] is None
    assert statuses(settled) == ["REQUIRES_PAYMENT", "SUCCEEDED"]
    await house.caught_up()
    assert await ada.available() == 25_00
    [entry] = await house.collection("entries").find({"operation": deposit["id"]}).to_list()
    assert entry["ref"] == f"deposit:{deposit['id']}:succeeded"
    assert await house.count("webhook_events", status={"$nin": ["PROCESSED", "IGNORED"]}) == 0
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_stripe_is_told_whose_money_it_is(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    await on_page(house, deposit)
    session, intent = await the_session(house), await the_intent(house)
    whose = {"deposit_id": deposit["id"], "user_id": ada.id}
    assert session["metadata"] == intent["metadata"] == whose
    assert (session["client_reference_id"], session["amount_total"]) == (deposit["id"], 25_00)
    assert (session["success_url"], session["cancel_url"]) == tuple(ADDRESSES.values())
    assert intent["setup_future_usage"] is None


async def test_a_card_is_kept_when_asked_for(house: House, ada: Person) -> None:
    deposit = await checks_out(ada, savePaymentMethod=True)
    await on_page(house, deposit)
    await house.settled(ada, deposit)
    await house.quiet()
    [card] = await ada.cards()
    assert card["last4"] == "4242"
    assert (await the_intent(house))["setup_future_usage"] == "off_session"


async def test_the_page_alone_credits_nothing(house: House, ada: Person) -> None:
    """Its event says paid; the money is there by its intent, and by that once."""
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit)
    events = await house.stripe.objects("event")
    [completed] = [event for event in events if event["type"] == "checkout.session.completed"]
    intents = "/v1/payment_intents/*"
    await house.stripe.fault("GET", intents, "error_500_before_commit", times=3)

    await house.deliver(completed)
    await house.until(lambda: house.count("webhook_events", status="FAILED"))
    assert await ada.available() == 0

    await house.settled(ada, deposit)
    for event in events:
        await house.deliver(event | {"id": f"{event['id']}_again"})
    await house.quiet()
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("knobs", [{"duplicate": 2, "shuffle": True}, {"drop": 1}])
async def test_events_in_any_order_or_none(house: House, ada: Person, knobs: dict[str, Any]) -> None:
    """Declined, paid: told twice and in disorder, or not at all, when the sweep reads it."""
    deposit = await checks_out(ada)
    await house.stripe.webhooks(**knobs)
    await on_page(house, deposit, "declined")
    await on_page(house, deposit)
    if "drop" in knobs:
        await swept(house, ada, minutes=2)
    await house.settled(ada, deposit)
    await house.caught_up()
    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


async def test_a_declined_card_is_followed_by_another(house: House, ada: Person) -> None:
    """On the same page, which stays open."""
    deposit = await checks_out(ada)
    await on_page(house, deposit, "declined", card="pm_card_chargeDeclinedInsufficientFunds")

    declined = await house.reaches(ada, deposit, "FAILED")
    assert declined["failure"]["declineCode"] == "insufficient_funds"
    assert declined["checkoutUrl"] == deposit["checkoutUrl"]
    assert declined["clientSecret"] is None
    replayed = await ada.create_deposit(25_00, key="other", checkout=ADDRESSES)
    assert replayed["userErrors"] == []

    await on_page(house, deposit)
    settled = await house.settled(ada, deposit)
    assert (settled["status"], settled["failure"]) == ("SUCCEEDED", None)
    assert statuses(settled) == ["REQUIRES_PAYMENT", "FAILED", "SUCCEEDED"]


async def test_the_bank_asks_on_the_page(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    card = {"card": "pm_card_authenticationRequired"}
    asked = await house.stripe.http.post(deposit["checkoutUrl"], data=card)
    present = await house.reaches(ada, deposit, "REQUIRES_ACTION")
    assert (present["nextActionUrl"], present["checkoutUrl"]) == (None, deposit["checkoutUrl"])
    await house.stripe.http.post(asked.headers["location"], data={"outcome": "accept"})
    assert (await house.settled(ada, deposit))["status"] == "SUCCEEDED"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 2_500), ("ISK", 25_00), ("KWD", 25_000)])
async def test_other_currencies_have_pages_too(house: House, ada: Person, currency: str, amount: int) -> None:
    deposit = await checks_out(ada, amount, currency=currency)
    await on_page(house, deposit)
    settled = await house.settled(ada, deposit)
    assert (settled["status"], settled["received"]["amount"]) == ("SUCCEEDED", amount)
    assert await ada.available(currency) == amount


# ------------------------------------------------------------------ it is paid later


async def paid_later(house: House, person: Person) -> dict[str, Any]:
    """A deposit whose payer's bank has not answered yet, and has been told of."""
    deposit = await checks_out(person)
    await on_page(house, deposit, "paid_later")
    present = await house.reaches(person, deposit, "PROCESSING")
    await house.caught_up()
    return {**present, "checkoutUrl": deposit["checkoutUrl"]}


async def test_a_bank_that_pays_days_later(house: House, ada: Person) -> None:
    deposit = await paid_later(house, ada)
    shown = await ada.deposit(deposit["id"])
    assert (shown["checkoutUrl"], shown["waitingFor"]["code"]) == (None, "BANK")
    wallet = (await ada.data("{ wallet { available { amount } incoming { amount } } }"))["wallet"]
    assert (wallet["available"]["amount"], wallet["incoming"]["amount"]) == (0, 25_00)
    assert codes(await cancel(ada, deposit)) == ["INVALID_STATE"]

    await on_page(house, deposit, "paid_later_succeeded")

    settled = await house.settled(ada, deposit)
    assert statuses(settled) == ["REQUIRES_PAYMENT", "PROCESSING", "SUCCEEDED"]
    await house.caught_up()
    assert await ada.available() == 25_00
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_the_balance_of_stripe_may_tell_it_first(house: House, ada: Person) -> None:
    """No event of it came, and nobody has looked at the page."""
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit)
    await cards_settle(house)
    await house.chore("treasury")
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["checkoutUrl"]) == ("SUCCEEDED", None)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_voucher_waits_for_nobody_on_the_page(house: House, ada: Person) -> None:
    """It is to be paid at a counter: the intent says so for days, and the page is over."""
    deposit = await paid_later(house, ada)
    intent = await the_intent(house)
    asks = {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
    await house.sandbox.change(lambda tx: tx.save(intent | asks))
    await swept(house, ada, minutes=2)
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["waitingFor"]["code"]) == ("PROCESSING", "BANK")


async def test_a_decline_before_is_not_the_banks_answer(house: House, ada: Person) -> None:
    """Declined, then paid by bank on the same page, and only the decline was told in time."""
    deposit = await checks_out(ada)
    await on_page(house, deposit, "declined")
    await house.reaches(ada, deposit, "FAILED")
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit, "paid_later")
    await swept(house, ada, minutes=2)
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["failure"]) == ("PROCESSING", None)


@pytest.mark.parametrize("told", [True, False])
async def test_a_bank_that_does_not_pay_ends_it(house: House, ada: Person, told: bool) -> None:
    """It failed, and nobody can pay on that page again: the deposit is over, and says why."""
    deposit = await paid_later(house, ada)
    async with ada.subscribe(UPDATES, {"id": deposit["id"]}) as subscription:
        await subscription.next()
        await house.stripe.webhooks(**({} if told else {"drop": 1}))
        await on_page(house, deposit, "paid_later_failed")
        if not told:
            await swept(house, ada, minutes=2)
        seen = await subscription.until_complete()

    assert seen[-1]["depositUpdated"]["status"] == "CANCELED"
    settled = await ada.deposit(deposit["id"])
    assert statuses(settled) == ["REQUIRES_PAYMENT", "PROCESSING", "FAILED", "CANCELED"]
    assert settled["history"][-1]["reason"] == "the payment failed after its page was closed"
    assert settled["failure"]["message"]
    assert settled["waitingFor"] is None
    assert await house.count("deposits", next_attempt_at={"$ne": None}) == 0
    assert await ada.available() == 0
    assert codes(await cancel(ada, deposit)) == []


async def test_a_replay_of_what_failed_later_is_told_its_state(house: House, ada: Person) -> None:
    deposit = await checks_out(ada, key="rent")
    for outcome in ("paid_later", "paid_later_failed"):
        await on_page(house, deposit, outcome)
    await house.reaches(ada, deposit, "CANCELED")
    again = await ada.create_deposit(25_00, key="rent", checkout=ADDRESSES)
    assert (again["deposit"]["status"], again["userErrors"]) == ("CANCELED", [])


# ------------------------------------------------------------------ it is not paid


async def test_its_owner_cancels_it(house: House, ada: Person) -> None:
    """Also after a try: then Stripe cancels the intent with the page."""
    untried, tried = await checks_out(ada), await checks_out(ada)
    await on_page(house, tried, "declined")
    await house.reaches(ada, tried, "FAILED")

    for deposit in (untried, tried):
        payload = await cancel(ada, deposit)
        assert (payload["deposit"]["status"], payload["userErrors"]) == ("CANCELED", [])
        last = payload["deposit"]["history"][-1]
        assert (last["actor"], last["reason"]) == ("owner", "canceled by its owner")
        assert (await house.stripe.http.get(deposit["checkoutUrl"])).status_code == 410

    await house.caught_up()
    present = await ada.deposit(tried["id"])
    assert present["checkoutUrl"] is present["expiresAt"] is present["failure"] is None
    sessions = await house.stripe.objects("checkout.session")
    assert [session["status"] for session in sessions] == ["expired", "expired"]
    assert (await the_intent(house))["status"] == "canceled"


async def test_a_paid_one_is_credited_instead(house: House, ada: Person) -> None:
    """No event came, so we learn of it when Stripe refuses to expire the page."""
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit)
    payload = await cancel(ada, deposit)
    assert codes(payload) == ["INVALID_STATE"]
    assert payload["deposit"]["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


async def test_one_that_a_bank_will_pay_is_not_canceled(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit, "paid_later")
    payload = await cancel(ada, deposit)
    assert codes(payload) == ["INVALID_STATE"]
    assert payload["deposit"]["status"] == "PROCESSING"
    await on_page(house, deposit, "paid_later_failed")
    await swept(house, ada, minutes=10)
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["history"][-1]["actor"]) == ("CANCELED", "owner")


async def test_a_payment_that_races_it_wins_or_is_impossible(house: House, ada: Person) -> None:
    made = [await checks_out(ada, 1_00) for _ in range(8)]

    async def pay(deposit: dict[str, Any]) -> None:
        await house.stripe.http.post(deposit["checkoutUrl"], data={"card": "pm_card_visa"})

    await asyncio.gather(*(cancel(ada, one) for one in made), *(pay(one) for one in made))

    settled = [await house.settled(ada, deposit) for deposit in made]
    sessions = {one["id"]: one["status"] for one in await house.stripe.objects("checkout.session")}
    ends = {"complete": "SUCCEEDED", "expired": "CANCELED"}
    assert [ends[sessions[session_of(one)]] for one in made] == [one["status"] for one in settled]
    paid = sum(deposit["status"] == "SUCCEEDED" for deposit in settled)
    assert await ada.available() == paid * 1_00
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("told", [True, False])
async def test_what_nobody_pays_ends_with_its_page(house: House, ada: Person, told: bool) -> None:
    deposit = await checks_out(ada)
    session = await the_session(house)
    assert session["expires_at"] - session["created"] == 24 * 3600
    ends = datetime.fromisoformat(deposit["expiresAt"]).timestamp()
    assert 0 <= session["expires_at"] - ends <= 5 * 60 + 1
    await house.stripe.webhooks(**({} if told else {"drop": 1}))

    await house.stop_worker()
    await house.time_passes(hours=24)
    await house.sweep() if not told else None
    await house.start_worker()
    await ada.refresh()

    settled = await house.settled(ada, deposit)
    assert settled["status"] == "CANCELED"
    last = settled["history"][-1]
    by_time = ("worker", "nobody paid it in time")
    assert (last["actor"], last["reason"]) in (by_time, ("webhook", "its page has expired"))
    assert (await the_session(house))["status"] == "expired"
    assert await house.count("deposits", next_attempt_at={"$ne": None}) == 0


@pytest.mark.parametrize(("hours", "page_hours"), [(0.1, 35 / 60), (2, 2), (72, 24)])
async def test_a_page_is_open_as_long_as_the_deposit_within_stripes_bounds(
    house: House, ada: Person, hours: float, page_hours: float
) -> None:
    """Where Stripe's least is more, the sweep closes the page at the deposit's end."""
    rules = house.with_policy(deposit_expiry=timedelta(hours=hours))
    addresses = CheckoutAddresses(ADDRESSES["successUrl"], ADDRESSES["cancelUrl"])
    command = CreateDeposit(25_00, "USD", "rent", checkout=addresses)
    created = await deposits.create(rules, ada.id, command, budget=house.limits.deposits)

    session = await the_session(house)
    assert abs(session["expires_at"] - session["created"] - page_hours * 3600) <= 2
    assert created.deposit.expires_at is not None
    lasts = created.deposit.expires_at - created.deposit.created_at
    assert lasts == timedelta(hours=min(hours, 24 - 1 / 12))
    if hours < 1:
        await swept(house, ada, minutes=7)
        assert (await ada.deposit(created.deposit.id))["status"] == "CANCELED"
        assert (await the_session(house))["status"] == "expired"


async def test_a_clock_of_stripes_that_is_ahead_closes_no_page(house: House, ada: Person) -> None:
    await house.stripe.control("/clock", {"advance_seconds": 7 * 86_400})
    deposit = await checks_out(ada)
    assert deposit["status"] == "REQUIRES_PAYMENT"
    await on_page(house, deposit)
    await house.reaches(ada, deposit, "SUCCEEDED")
    assert await ada.available() == 25_00


async def test_a_success_that_reaches_a_canceled_deposit_is_credited(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit)
    given_up = {"$set": {"status": "CANCELED", "next_attempt_at": None}, "$inc": {"version": 1}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, given_up)
    events = await house.stripe.objects("event")
    [completed] = [event for event in events if event["type"] == "checkout.session.completed"]
    await house.deliver(completed)
    await house.reaches(ada, deposit, "SUCCEEDED")
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ who sees what


async def test_who_watches_sees_it_paid(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    async with ada.subscribe(UPDATES, {"id": deposit["id"]}) as subscription:
        first = await subscription.next()
        await on_page(house, deposit)
        seen = await subscription.until_complete()
    waiting = {"status": "REQUIRES_PAYMENT", "checkoutUrl": deposit["checkoutUrl"]}
    assert first == {"depositUpdated": waiting}
    assert seen[-1] == {"depositUpdated": {"status": "SUCCEEDED", "checkoutUrl": None}}


async def test_only_the_owner_sees_the_page(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    assert (await ada.deposit(deposit["id"]))["checkoutUrl"] == deposit["checkoutUrl"]
    assert (await (await house.admin()).deposit(deposit["id"]))["checkoutUrl"] is None
    assert await (await house.customer("mallory")).deposit(deposit["id"]) is None


async def test_the_page_and_the_addresses_are_stored_encrypted_and_the_page_goes(
    house: House, ada: Person
) -> None:
    deposit = await checks_out(ada)
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    for secret in (deposit["checkoutUrl"], "shop.example.com"):
        assert secret.encode() not in repr(stored).encode()
    await on_page(house, deposit)
    await house.settled(ada, deposit)
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert stored["checkout_url"] is stored["client_secret"] is stored["next_action_url"] is None
    assert stored["checkout"]["session_id"] == session_of(deposit)


# ------------------------------------------------------------------ keys


async def test_the_same_key_answers_with_the_same_page(house: House, ada: Person) -> None:
    first = await checks_out(ada, key="rent")
    again = await ada.create_deposit(25_00, key="rent", checkout=ADDRESSES)
    assert (again["idempotency"]["replayed"], again["deposit"]) == (True, first)
    await the_session(house)


async def test_the_addresses_belong_to_the_key(house: House, ada: Person) -> None:
    await checks_out(ada, key="rent")
    for other in ({**ADDRESSES, "cancelUrl": "https://shop.example.com/"}, None):
        payload = await ada.create_deposit(25_00, key="rent", checkout=other)
        [error] = payload["userErrors"]
        assert (error["code"], error["conflictingFields"]) == ("IDEMPOTENCY_KEY_REUSED", ["checkout"])


async def test_fifty_racing_calls_make_one_page(house: House, ada: Person) -> None:
    payloads = await asyncio.gather(
        *(ada.create_deposit(25_00, key="rent", checkout=ADDRESSES) for _ in range(50))
    )
    assert {payload["deposit"]["checkoutUrl"] for payload in payloads} == {(await the_session(house))["url"]}
    assert {payload["deposit"]["id"] for payload in payloads} == {payloads[0]["deposit"]["id"]}


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"paymentMethodId": "pm_1", "returnUrl": "https://shop.example.com/"}, ["paymentMethodId"]),
        ({"checkout": {**ADDRESSES, "successUrl": "javascript:alert(1)"}}, ["checkout", "successUrl"]),
        ({"checkout": {**ADDRESSES, "cancelUrl": "/basket"}}, ["checkout", "cancelUrl"]),
        ({"checkout": {**ADDRESSES, "cancelUrl": f"https://x.io/{'a' * 2_048}"}}, ["checkout", "cancelUrl"]),
    ],
)
async def test_what_cannot_be_is_told_and_not_made(
    house: House, ada: Person, more: dict[str, Any], path: list[str]
) -> None:
    payload = await ada.create_deposit(25_00, **{"checkout": ADDRESSES, **more})
    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", path)
    assert payload["deposit"] is None
    assert await house.count("deposits") == 0
    assert (await house.stripe.state())["requests"] == []


async def test_half_a_checkout_is_no_request(ada: Person) -> None:
    command = {"amount": 25_00, "idempotencyKey": "rent", "checkout": {"successUrl": "https://x.io"}}
    assert (await ada.ask(CREATE_DEPOSIT, {"input": command})).code == "BAD_REQUEST"


async def test_what_stripe_refuses_is_over(house: House, ada: Person) -> None:
    """An app's own address passes here, and Stripe's word on it is the last."""
    app = {**ADDRESSES, "successUrl": "market://done"}
    for replayed in (False, True):
        payload = await ada.create_deposit(25_00, key="rent", checkout=app)
        [error] = payload["userErrors"]
        assert (error["code"], payload["deposit"]["status"]) == ("PAYMENT_DECLINED", "CANCELED")
        assert payload["deposit"]["failure"]["code"] == "url_invalid"
        assert payload["idempotency"]["replayed"] is replayed
