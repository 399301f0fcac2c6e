"""Money that was not agreed: it is in nobody's wallet until an administrator says whose it is."""

import asyncio
from typing import Any

import pytest

from domain import ledger
from domain.kernel.database import Tx
from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from tests.house import House, Person, intent_of
from tests.house.people import DEPOSIT_FIELDS
from tests.house.sandbox import FAULTS

RESOLVE = f"""
mutation ($input: ResolveDepositInput!) {{
  resolveDeposit(input: $input) {{
    deposit {{ {DEPOSIT_FIELDS} }}
    userErrors {{ __typename code path message }}
  }}
}}
"""
REFUNDS = "/v1/refunds"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def resolve(
    admin: Person,
    deposit: dict[str, Any],
    outcome: str,
    reason: str = "she called us",
    *,
    of: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole payload of resolveDeposit, `of` a receipt."""
    command = {"id": deposit["id"], "outcome": outcome, "reason": reason}
    if of is not None:
        command["paymentIntentId"] = of["paymentIntentId"]
    payload: dict[str, Any] = (await admin.data(RESOLVE, {"input": command}))["resolveDeposit"]
    return payload


async def in_review(
    house: House, person: Person, *, card: str = "pm_card_visa", **asked: str
) -> dict[str, Any]:
    """A deposit of $25.00 that was paid otherwise: with $20.00, or as `asked` says in Stripe's words."""
    deposit = await person.deposits(usd=25_00)
    await house.stripe.request(
        "POST", f"/v1/payment_intents/{intent_of(deposit)}", asked or {"amount": "2000"}
    )
    await house.pay(deposit, card)
    return await house.reaches(person, deposit, "NEEDS_REVIEW")


async def unexplained(house: House, currency: str = "USD") -> int:
    """The balance of platform:unexplained."""
    balance = 0
    async for entry in house.collection("entries").find({"currency": currency}):
        for posting in entry["postings"]:
            balance += posting["amount"] * (posting["destination"] == "platform:unexplained")
            balance -= posting["amount"] * (posting["source"] == "platform:unexplained")
    return balance


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


# ------------------------------------------------------------------ into the wallet


async def test_what_was_received_is_shown_and_credited(house: House, ada: Person, edith: Person) -> None:
    deposit = await in_review(house, ada)
    [receipt] = deposit["receipts"]
    assert receipt == {
        "received": {"amount": 20_00, "currency": "USD"},
        "paymentIntentId": (await house.stripe.objects("payment_intent"))[0]["id"],
        "resolution": None,
    }
    assert (await ada.available(), await unexplained(house)) == (0, 20_00)

    payload = await resolve(edith, deposit, "CREDIT")

    assert payload["userErrors"] == []
    resolved = payload["deposit"]
    assert (resolved["status"], resolved["received"]["amount"]) == ("SUCCEEDED", 20_00)
    assert resolved["receipts"][0]["resolution"] == "CREDIT"
    last = resolved["history"][-1]
    assert (last["actor"], last["reason"]) == ("admin", "she called us")
    assert (await ada.available(), await unexplained(house)) == (20_00, 0)
    assert await house.ledger_is_sound()


async def test_another_currency_is_credited_to_its_own_wallet(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await in_review(house, ada, currency="eur")

    resolved = (await resolve(edith, deposit, "CREDIT"))["deposit"]

    received = await ada.data(
        "query ($id: ID!) { deposit(id: $id) { received { amount currency } } }", {"id": deposit["id"]}
    )
    assert received["deposit"]["received"] == {"amount": 25_00, "currency": "EUR"}
    assert resolved["status"] == "SUCCEEDED"
    assert (await ada.available("EUR"), await ada.available("USD")) == (25_00, 0)
    assert await house.ledger_is_sound()


async def test_a_second_payment_of_a_paid_deposit(house: House, ada: Person, edith: Person) -> None:
    """Somebody made another intent for it, by hand: paid twice, credited once, until a person says so."""
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    foreign = await house.stripe.request(
        "POST",
        "/v1/payment_intents",
        {"amount": "2500", "currency": "usd", "metadata[deposit_id]": deposit["id"]},
    )
    await house.stripe.request(
        "POST",
        f"/v1/payment_intents/{foreign['id']}/confirm",
        {"payment_method": "pm_card_visa", "return_url": "https://example.com"},
    )

    async def received() -> bool:
        return bool((await ada.deposit(deposit["id"]))["receipts"])

    await house.until(received)
    assert (await ada.available(), await unexplained(house)) == (25_00, 25_00)

    resolved = (await resolve(edith, deposit, "CREDIT"))["deposit"]

    assert (resolved["status"], resolved["received"]["amount"]) == ("SUCCEEDED", 50_00)
    assert (await ada.available(), await unexplained(house)) == (50_00, 0)
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ back to the card


async def test_it_is_sent_back(house: House, ada: Person, edith: Person) -> None:
    deposit = await in_review(house, ada)

    payload = await resolve(edith, deposit, "REFUND")

    assert payload["userErrors"] == []
    assert payload["deposit"]["status"] == "CANCELED"
    assert payload["deposit"]["receipts"][0]["resolution"] == "REFUND"
    [refund] = await house.stripe.objects("refund")
    assert (refund["amount"], refund["status"]) == (20_00, "succeeded")
    assert refund["metadata"]["deposit_id"] == deposit["id"]
    assert (await ada.available(), await unexplained(house)) == (0, 0)
    await house.quiet()
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_sends_back_what_a_fault_cut_off(
    house: House, ada: Person, edith: Person, fault: str
) -> None:
    deposit = await in_review(house, ada)
    await house.stop_worker()
    await house.stripe.fault("POST", REFUNDS, fault)

    payload = await resolve(edith, deposit, "REFUND")
    assert codes(payload) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert payload["deposit"]["waitingFor"]["code"] == "REFUND"
    assert codes(await resolve(edith, deposit, "CREDIT")) == ["INVALID_STATE"]

    for _ in range(3):
        house.clock.advance(minutes=2)
        await house.sweep()
    await house.start_worker()
    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    [refund] = await house.stripe.objects("refund")
    assert refund["amount"] == 20_00
    assert await unexplained(house) == 0
    assert await house.ledger_is_sound()


async def test_what_stripe_refuses_waits_for_another_decision(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await in_review(house, ada)
    await house.stripe.request("POST", REFUNDS, {"payment_intent": deposit["receipts"][0]["paymentIntentId"]})

    payload = await resolve(edith, deposit, "REFUND")

    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_STATE", ["outcome"])
    assert "has already been refunded" in error["message"]
    assert payload["deposit"]["status"] == "NEEDS_REVIEW"
    assert payload["deposit"]["receipts"][0]["resolution"] is None
    assert await unexplained(house) == 20_00


@pytest.mark.parametrize("amount", [20_00, 1])
async def test_what_somebody_refunded_at_stripe_is_not_credited_as_well(
    house: House, ada: Person, edith: Person, amount: int
) -> None:
    deposit = await in_review(house, ada, card="pm_card_refundFail")
    by_hand = {"payment_intent": deposit["receipts"][0]["paymentIntentId"], "amount": str(amount)}
    await house.stripe.request("POST", REFUNDS, by_hand)

    payload = await resolve(edith, deposit, "CREDIT")

    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [
        ("INVALID_STATE", ["outcome"])
    ]
    assert await ada.available() == 0
    # It fails days later: the money is there again.
    await house.stripe.control("/clock", {"advance_seconds": 10 * 86_400})
    await house.stripe.fault("GET", REFUNDS, "error_503", times=3)
    assert codes(await resolve(edith, deposit, "CREDIT")) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert codes(await resolve(edith, deposit, "CREDIT")) == []
    assert await ada.available() == 20_00
    await house.quiet()
    await house.chore("treasury")
    assert await unexplained(house) == 0
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_refund_that_fails_days_later_waits_again(house: House, ada: Person, edith: Person) -> None:
    deposit = await in_review(house, ada, card="pm_card_refundFail")
    assert (await resolve(edith, deposit, "REFUND"))["deposit"]["status"] == "CANCELED"

    await house.stripe.control("/clock", {"advance_seconds": 10 * 86_400})

    again = await house.reaches(ada, deposit, "NEEDS_REVIEW")
    assert again["history"][-1]["reason"] == "the refund failed"
    assert await unexplained(house) == 20_00
    assert await house.ledger_is_sound()
    resolved = (await resolve(edith, deposit, "CREDIT"))["deposit"]
    assert resolved["status"] == "SUCCEEDED"
    assert (await ada.available(), await unexplained(house)) == (20_00, 0)
    await house.stripe.redeliver_last(times=5)
    await house.quiet()
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ who decides, and how often


@pytest.mark.parametrize("outcome", ["CREDIT", "REFUND"])
async def test_the_same_decision_again_is_no_change(
    house: House, ada: Person, edith: Person, outcome: str
) -> None:
    deposit = await in_review(house, ada)
    first = await resolve(edith, deposit, outcome)
    assert await resolve(edith, deposit, outcome) == first
    other = "REFUND" if outcome == "CREDIT" else "CREDIT"
    assert codes(await resolve(edith, deposit, other)) == ["INVALID_STATE"]
    assert await house.count("entries") == 2


async def test_of_two_who_decide_at_once_one_wins(house: House, ada: Person, edith: Person) -> None:
    other = await house.admin("other")
    deposit = await in_review(house, ada)

    payloads = await asyncio.gather(
        *(resolve(edith, deposit, "CREDIT") for _ in range(5)),
        *(resolve(other, deposit, "REFUND") for _ in range(5)),
    )

    present = await ada.deposit(deposit["id"])
    assert present["status"] in {"SUCCEEDED", "CANCELED"}
    won = present["receipts"][0]["resolution"]
    assert [codes(payload) for payload in payloads] == [
        [] if outcome == won else ["INVALID_STATE"] for outcome in ["CREDIT"] * 5 + ["REFUND"] * 5
    ]
    refunds = await house.stripe.objects("refund")
    assert (await ada.available(), len(refunds)) == ((20_00, 0) if won == "CREDIT" else (0, 1))
    assert await unexplained(house) == 0
    assert await house.ledger_is_sound()


async def test_only_an_administrator_decides(house: House, ada: Person) -> None:
    deposit = await in_review(house, ada)
    variables = {"input": {"id": deposit["id"], "outcome": "CREDIT", "reason": "mine"}}
    assert (await ada.ask(RESOLVE, variables)).code == "FORBIDDEN"
    assert (await house.nobody().ask(RESOLVE, variables)).code == "UNAUTHENTICATED"
    assert await ada.available() == 0


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
async def test_a_decision_has_a_reason(house: House, ada: Person, edith: Person, reason: str) -> None:
    deposit = await in_review(house, ada)
    payload = await resolve(edith, deposit, "CREDIT", reason)
    [error] = payload["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["reason"])
    assert await ada.available() == 0


async def test_there_must_be_something_to_decide(house: House, ada: Person, edith: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    assert codes(await resolve(edith, deposit, "CREDIT")) == ["INVALID_STATE"]
    assert codes(await resolve(edith, {"id": "dep_none"}, "CREDIT")) == ["NOT_FOUND"]
    await house.pay(deposit)
    await house.settled(ada, deposit)
    assert codes(await resolve(edith, deposit, "CREDIT")) == ["INVALID_STATE"]
    assert await ada.available() == 25_00


async def test_a_deposit_in_review_is_not_canceled(house: House, ada: Person) -> None:
    deposit = await in_review(house, ada)
    query = "mutation ($id: ID!) { cancelDeposit(input: {id: $id}) { userErrors { code } } }"
    assert codes((await ada.data(query, {"id": deposit["id"]}))["cancelDeposit"]) == ["INVALID_STATE"]


@pytest.mark.parametrize("step", ["resolved:pi_another", "returned:re_1", "resolved:re_1", "given"])
async def test_a_step_that_no_receipt_has_taken_is_found(
    house: House, ada: Person, edith: Person, step: str
) -> None:
    deposit = await in_review(house, ada)
    await resolve(edith, deposit, "CREDIT")
    [wallet] = await house.collection("wallets").find({"owner": ada.id}).to_list()
    again = NewEntry(
        ref=(ref := f"deposit:{deposit['id']}:{step}"),
        kind=Kind.DEPOSIT,
        currency="USD",
        postings=[Posting(Account.platform(Platform.UNEXPLAINED), Account.available(wallet["_id"]), 20_00)],
        operation=deposit["id"],
        actor="admin",
    )

    async def work(tx: Tx) -> None:
        await ledger.post(tx, again)

    await house.runtime.database.transact(work)
    assert [found.subject for found in (await house.report()).violations] == [ref]
