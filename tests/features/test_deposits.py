"""Deposits by card, as people and Stripe make them."""

import asyncio
from typing import Any

import pytest

from tests.house import House, Person, intent_of

PAGE = """
query ($status: [DepositStatus!], $first: Int, $after: String, $last: Int, $before: String) {
  me { deposits(status: $status, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id status clientSecret } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}
"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
WALLET = """
query ($currency: CurrencyCode!) {
  wallet(currency: $currency) {
    id currency available { amount display } held { amount } incoming { amount }
    transactions { edges { node { id sequence amount { amount } availableAfter { amount }
      kind operation { __typename id } } } }
  }
}
"""


def told(deposit: dict[str, Any]) -> list[tuple[str, str]]:
    """The deposit's history: each status, and who caused it."""
    return [(change["status"], change["actor"]) for change in deposit["history"]]


async def wallet_of(person: Person, currency: str = "USD") -> dict[str, Any]:
    wallet: dict[str, Any] = (await person.data(WALLET, {"currency": currency}))["wallet"]
    return wallet


async def page_of(person: Person, **arguments: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await person.data(PAGE, arguments))["me"]["deposits"]
    return page


def ids_of(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["id"] for edge in page["edges"]]


# ------------------------------------------------------------------ paying


async def test_a_paid_deposit_raises_the_wallet(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    assert deposit["status"] == deposit["state"] == "REQUIRES_PAYMENT"
    assert deposit["amount"] == {"amount": 25_00, "currency": "USD", "display": "$25.00"}
    assert deposit["waitingFor"]["code"] == "PAYMENT"
    assert await ada.available() == 0

    await house.pay(deposit)
    settled = await house.settled(ada, deposit)

    assert settled["status"] == "SUCCEEDED"
    assert settled["received"]["amount"] == 25_00
    assert settled["clientSecret"] is settled["failure"] is settled["waitingFor"] is None
    assert told(settled) == [("REQUIRES_PAYMENT", "owner"), ("SUCCEEDED", "webhook")]
    wallet = await wallet_of(ada)
    assert wallet["available"] == {"amount": 25_00, "display": "$25.00"}
    [line] = [edge["node"] for edge in wallet["transactions"]["edges"]]
    assert (line["sequence"], line["kind"]) == (1, "DEPOSIT")
    assert line["amount"]["amount"] == line["availableAfter"]["amount"] == 25_00
    assert line["operation"] == {"__typename": "Deposit", "id": deposit["id"]}
    assert await house.ledger_is_sound()


async def test_stripe_is_told_whose_money_it_is(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)

    [intent] = await house.stripe.objects("payment_intent")
    [customer] = await house.stripe.objects("customer")
    assert intent["metadata"] == {"deposit_id": deposit["id"], "user_id": ada.id}
    assert (intent["amount"], intent["currency"], intent["customer"]) == (25_00, "usd", customer["id"])
    assert (customer["email"], customer["metadata"]) == (ada.email, {"user_id": ada.id})


async def test_deposits_add_up_at_one_customer(house: House) -> None:
    ada = await house.customer()
    for amount in (10_00, 15_50, 1_00):
        deposit = await ada.deposits(usd=amount)
        await house.pay(deposit)
        await house.settled(ada, deposit)

    assert await ada.available() == 26_50
    assert len(await house.stripe.objects("customer")) == 1
    assert await house.ledger_is_sound()


async def test_euros_have_a_wallet_of_their_own(house: House) -> None:
    ada = await house.customer()
    payload = await ada.create_deposit(12_34, currency="EUR")
    await house.pay(payload["deposit"])
    settled = await house.settled(ada, payload["deposit"])

    assert settled["amount"] == {"amount": 12_34, "currency": "EUR", "display": "€12.34"}
    assert (await wallet_of(ada, "EUR"))["available"]["amount"] == 12_34
    assert await ada.available() == 0
    assert await house.ledger_is_sound()


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        # A thief shall not learn that the card is known to be lost.
        ("pm_card_chargeDeclinedLostCard", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedStolenCard", "card_declined", "generic_decline"),
    ],
)
async def test_a_declined_deposit_may_be_paid_again(
    house: House, card: str, code: str, decline_code: str
) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)

    await house.pay(deposit, card)
    failed = await house.reaches(ada, deposit, "FAILED")

    assert (failed["failure"]["code"], failed["failure"]["declineCode"]) == (code, decline_code)
    assert "lost" not in str(failed)
    assert "stolen" not in str(failed)
    assert failed["clientSecret"] == deposit["clientSecret"]
    assert await ada.available() == 0

    await house.pay(deposit)
    settled = await house.settled(ada, deposit)

    assert settled["failure"] is None
    assert told(settled) == [("REQUIRES_PAYMENT", "owner"), ("FAILED", "webhook"), ("SUCCEEDED", "webhook")]
    assert await ada.available() == 25_00
    assert len(await house.stripe.objects("payment_intent")) == 1
    assert await house.ledger_is_sound()


async def test_two_declines_are_two_failures(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit, "pm_card_chargeDeclined")
    await house.reaches(ada, deposit, "FAILED")

    await house.pay(deposit, "pm_card_chargeDeclinedInsufficientFunds")

    async def the_second_is_shown() -> bool:
        present = await ada.deposit(deposit["id"])
        return bool(present["failure"]["declineCode"] == "insufficient_funds")

    await house.until(the_second_is_shown)


async def test_the_bank_asks_the_payer_first(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)

    intent = await house.pay(deposit, "pm_card_authenticationRequired")
    waiting = await house.reaches(ada, deposit, "REQUIRES_ACTION")
    assert waiting["waitingFor"]["code"] == "PAYER_ACTION"
    assert await ada.available() == 0

    await answer_the_bank(house, intent, "accept")
    settled = await house.settled(ada, deposit)

    assert told(settled) == [
        ("REQUIRES_PAYMENT", "owner"),
        ("REQUIRES_ACTION", "webhook"),
        ("SUCCEEDED", "webhook"),
    ]
    assert await ada.available() == 25_00


async def test_who_refuses_the_banks_question_has_not_paid(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    intent = await house.pay(deposit, "pm_card_authenticationRequired")
    await house.reaches(ada, deposit, "REQUIRES_ACTION")

    await answer_the_bank(house, intent, "refuse")

    failed = await house.reaches(ada, deposit, "FAILED")
    assert failed["failure"]["code"] == "payment_intent_authentication_failure"
    assert await ada.available() == 0


async def answer_the_bank(house: House, intent: dict[str, Any], outcome: str) -> None:
    """Press the button on the bank's page."""
    question = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
    response = await house.stripe.http.post(question, data={"outcome": outcome})
    assert response.status_code == 303


async def test_what_stripe_cancels_is_over(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)

    await house.stripe.request("POST", f"/v1/payment_intents/{intent_of(deposit)}/cancel")
    canceled = await house.settled(ada, deposit)

    assert told(canceled) == [("REQUIRES_PAYMENT", "owner"), ("CANCELED", "webhook")]
    assert canceled["clientSecret"] is None
    assert await ada.available() == 0
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert stored["client_secret"] is stored["next_attempt_at"] is None


async def test_what_is_being_processed_is_incoming(house: House) -> None:
    """Cards settle at once in the sandbox; Stripe's word for slower ways is put where its answer would be."""
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.collection("deposits").update_one({"_id": deposit["id"]}, {"$set": {"status": "PROCESSING"}})

    wallet = await wallet_of(ada)

    assert wallet["incoming"]["amount"] == 25_00
    assert wallet["available"]["amount"] == 0
    assert (await wallet_of(ada, "EUR"))["incoming"]["amount"] == 0
    await house.pay(deposit)
    await house.settled(ada, deposit)
    assert (await wallet_of(ada))["incoming"]["amount"] == 0


# ------------------------------------------------------------------ idempotency


async def test_the_same_key_answers_the_same(house: House) -> None:
    ada = await house.customer()
    first = await ada.create_deposit(25_00, key="rent")
    again = await ada.create_deposit(25_00, key="rent")

    assert (first["idempotency"]["replayed"], again["idempotency"]["replayed"]) == (False, True)
    assert again["deposit"] == first["deposit"]
    assert again["idempotency"]["firstSeenAt"] == first["deposit"]["createdAt"]
    assert again["userErrors"] == []
    assert len(await house.stripe.objects("payment_intent")) == 1


async def test_a_replay_answers_with_the_present_state(house: House) -> None:
    ada = await house.customer()
    first = await ada.create_deposit(25_00, key="rent")
    await house.pay(first["deposit"])
    await house.settled(ada, first["deposit"])

    again = await ada.create_deposit(25_00, key="rent")

    assert (again["deposit"]["id"], again["deposit"]["status"]) == (first["deposit"]["id"], "SUCCEEDED")
    assert again["deposit"]["clientSecret"] is None
    assert await ada.available() == 25_00


@pytest.mark.parametrize(
    ("other", "conflicting"),
    [
        ({"amount": 26_00}, ["amount"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"amount": 26_00, "currency": "EUR"}, ["amount", "currency"]),
    ],
)
async def test_a_key_is_good_for_one_intention(
    house: House, other: dict[str, Any], conflicting: list[str]
) -> None:
    ada = await house.customer()
    await ada.create_deposit(25_00, key="rent")

    payload = await ada.create_deposit(**{"amount": 25_00, "key": "rent", **other})

    assert payload["deposit"] is payload["idempotency"] is None
    [error] = payload["userErrors"]
    assert (error["__typename"], error["code"]) == ("IdempotencyError", "IDEMPOTENCY_KEY_REUSED")
    assert error["conflictingFields"] == conflicting
    assert error["path"] == ["idempotencyKey"]
    assert await house.count("deposits") == len(await house.stripe.objects("payment_intent")) == 1


async def test_keys_of_two_people_do_not_meet(house: House) -> None:
    ada, charles = await house.customer(), await house.customer("charles")

    hers = await ada.create_deposit(25_00, key="rent")
    his = await charles.create_deposit(30_00, key="rent")

    assert hers["deposit"]["id"] != his["deposit"]["id"]
    assert his["idempotency"]["replayed"] is False
    assert his["userErrors"] == []


async def test_a_hundred_racing_calls_make_one_deposit(house: House) -> None:
    ada = await house.customer()

    payloads = await asyncio.gather(*(ada.create_deposit(25_00, key="rent") for _ in range(100)))

    assert sorted(payload["idempotency"]["replayed"] for payload in payloads) == [False] + [True] * 99
    assert [payload["userErrors"] for payload in payloads] == [[]] * 100
    assert {payload["deposit"]["id"] for payload in payloads} == {payloads[0]["deposit"]["id"]}
    assert {payload["deposit"]["clientSecret"] for payload in payloads} != {None}
    assert len({payload["deposit"]["clientSecret"] for payload in payloads}) == 1
    assert await house.count("deposits") == 1
    assert len(await house.stripe.objects("payment_intent")) == 1
    assert len(await house.stripe.objects("customer")) == 1
    sent = [request for request in (await house.stripe.state())["requests"] if request["method"] == "POST"]
    assert len(sent) == 2  # the customer and the intent: nobody asked twice


async def test_ten_first_deposits_at_once_make_one_customer(house: House) -> None:
    ada = await house.customer()

    deposits = await asyncio.gather(*(ada.deposits(usd=1_00 + cents) for cents in range(10)))

    assert len({deposit["id"] for deposit in deposits}) == 10
    assert len(await house.stripe.objects("payment_intent")) == 10
    assert len(await house.stripe.objects("customer")) == 1


# ------------------------------------------------------------------ credited by Stripe's word alone


async def test_the_answer_of_a_payment_credits_nothing(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stop_worker()
    try:
        await house.stripe.webhooks(drop=1)
        assert (await house.pay(deposit))["status"] == "succeeded"

        replay = await ada.create_deposit(25_00, key="another")
        assert replay["deposit"]["status"] == "REQUIRES_PAYMENT"
        present = await ada.deposit(deposit["id"])
        assert (present["status"], present["received"]["amount"]) == ("REQUIRES_PAYMENT", 0)
        assert await ada.available() == 0
        assert await house.count("entries") == 0
    finally:
        await house.start_worker()

    house.clock.advance(minutes=2)
    settled = await house.settled(ada, deposit)
    assert told(settled)[-1] == ("SUCCEEDED", "worker")
    assert await ada.available() == 25_00


# ------------------------------------------------------------------ who sees what


async def test_only_the_owner_sees_the_client_secret(house: House) -> None:
    ada, edith = await house.customer(), await house.admin()
    deposit = await ada.deposits(usd=25_00)
    assert deposit["clientSecret"].startswith("pi_")

    seen = await edith.deposit(deposit["id"])

    assert (seen["id"], seen["status"]) == (deposit["id"], "REQUIRES_PAYMENT")
    assert seen["clientSecret"] is None
    assert (await ada.deposit(deposit["id"]))["clientSecret"] == deposit["clientSecret"]
    [edge] = (await page_of(ada))["edges"]
    assert edge["node"]["clientSecret"] == deposit["clientSecret"]


async def test_somebody_elses_deposit_is_not_there(house: House) -> None:
    ada, charles = await house.customer(), await house.customer("charles")
    deposit = await ada.deposits(usd=25_00)

    assert await charles.deposit(deposit["id"]) is None
    assert (await charles.data(NODE, {"id": deposit["id"]}))["node"] is None
    assert (await page_of(charles))["edges"] == []


async def test_every_thing_of_ones_own_is_a_node(house: House) -> None:
    ada, charles, edith = await house.customer(), await house.customer("charles"), await house.admin()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    wallet = await wallet_of(ada)
    line = wallet["transactions"]["edges"][0]["node"]
    nodes = {"User": ada.id, "Wallet": wallet["id"], "Transaction": line["id"], "Deposit": deposit["id"]}

    for kind, node_id in nodes.items():
        for person, expected in [
            (ada, {"__typename": kind, "id": node_id}),
            (edith, {"__typename": kind, "id": node_id}),
            (charles, None),
        ]:
            assert (await person.data(NODE, {"id": node_id}))["node"] == expected, (kind, person.id)


@pytest.mark.parametrize(
    "nonsense",
    [
        *(
            "",
            "_",
            "dep",
            "dep_",
            "dep_nobody",
            "wal_",
            "stl_",
            "stl_x",
            "stl_x_",
            "stl_x_-1",
            "stl_x_99999999",
        ),
        *("usr_", "usr_nobody", "zzz_01", "wdr_01", "dep_\x00", "stl_01_٣", "$where", "dep_" + "x" * 5000),
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode() or "empty",
)
async def test_nonsense_is_no_node(house: House, nonsense: str) -> None:
    ada = await house.customer()
    assert (await ada.data(NODE, {"id": nonsense}))["node"] is None
    assert await ada.deposit(nonsense) is None


# ------------------------------------------------------------------ pages


async def test_deposits_come_newest_first_a_page_at_a_time(house: House) -> None:
    ada = await house.customer()
    ids = [(await ada.deposits(usd=1_00 + cents))["id"] for cents in range(5)][::-1]

    first = await page_of(ada, first=2)
    assert ids_of(first) == ids[:2]
    assert first["pageInfo"]["hasNextPage"] is True
    assert first["pageInfo"]["hasPreviousPage"] is False
    assert first["pageInfo"]["startCursor"] == first["edges"][0]["cursor"]

    # What is made meanwhile neither shifts nor repeats anything.
    newest = (await ada.deposits(usd=9_00))["id"]
    second = await page_of(ada, first=2, after=first["pageInfo"]["endCursor"])
    third = await page_of(ada, first=2, after=second["pageInfo"]["endCursor"])
    assert ids_of(second) + ids_of(third) == ids[2:]
    assert third["pageInfo"]["hasNextPage"] is False

    oldest = await page_of(ada, last=2)
    assert ids_of(oldest) == ids[3:]
    assert oldest["pageInfo"]["hasPreviousPage"] is True
    before = await page_of(ada, last=2, before=oldest["pageInfo"]["startCursor"])
    assert ids_of(before) == ids[1:3]
    assert before["pageInfo"]["hasNextPage"] is True
    assert ids_of(await page_of(ada)) == [newest, *ids]


async def test_deposits_are_chosen_by_status(house: House) -> None:
    ada = await house.customer()
    paid, canceled, waiting = [await ada.deposits(usd=1_00) for _ in range(3)]
    await house.pay(paid)
    await house.stripe.request("POST", f"/v1/payment_intents/{intent_of(canceled)}/cancel")
    await house.settled(ada, paid)
    await house.settled(ada, canceled)

    assert ids_of(await page_of(ada, status=["SUCCEEDED"])) == [paid["id"]]
    both = await page_of(ada, status=["CANCELED", "REQUIRES_PAYMENT"])
    assert ids_of(both) == [waiting["id"], canceled["id"]]
    assert ids_of(await page_of(ada, status=["NEEDS_REVIEW"])) == []
    assert ids_of(await page_of(ada, status=[])) == []


async def test_no_deposits_are_an_empty_page(house: House) -> None:
    page = await page_of(await house.customer())
    assert page == {
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }
