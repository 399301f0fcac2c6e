"""Money back to the card: reserved at once, made once, and back in the wallet once when it fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.kernel.money import MINOR_UNITS_MAX
from tests.features.test_freezes import freeze, wallet_id
from tests.house import House, Person
from tests.house.house import intent_of
from tests.house.refunds import (
    ask_of_refund,
    at_stripe,
    go_on,
    paid,
    present,
    reaches,
    refund_deposit,
    refunds_of,
    stored,
    try_to,
    work,
)

PAID = 50_00
STATEMENT = """
{ wallet { transactions { edges { node { kind amount { amount } heldDelta { amount } } } } } }
"""
LISTS = """
query ($status: [RefundStatus!], $person: ID) {
  refunds(status: $status, filter: {personId: $person}) { edges { node { id amount { amount } } } }
}
"""


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin()


@pytest.fixture
async def deposit(house: House, ada: Person) -> dict[str, Any]:
    """50.00 in the wallet."""
    return await paid(house, ada, PAID)


@pytest.fixture
async def quiet_house(house: House, deposit: dict[str, Any]) -> AsyncIterator[House]:
    """Nothing is sent but by the test, and no event is handled."""
    await house.quiet()
    async with house.worker_away():
        yield house


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def money(person: Person) -> tuple[int, int]:
    return await person.available(), await person.held()


async def lines(person: Person) -> list[tuple[str, int, int]]:
    """The statement, oldest first: kind, what it did to available, and to held."""
    edges = (await person.data(STATEMENT))["wallet"]["transactions"]["edges"]
    return [
        (line["kind"], line["amount"]["amount"], line["heldDelta"]["amount"])
        for line in reversed([edge["node"] for edge in edges])
    ]


# ------------------------------------------------------------------ there and back


async def test_a_part_goes_back_to_the_card(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    payload = await refund_deposit(edith, deposit, 20_00, key="k", reason="half of it was not done.")
    refund = payload["refund"]
    assert payload["userErrors"] == []
    assert (refund["status"], refund["state"], refund["origin"]) == ("PENDING", "PENDING", "PRODUCT")
    assert (refund["amount"], refund["owner"]) == ({"amount": 20_00, "currency": "USD"}, {"id": ada.id})
    assert payload["idempotency"] == {"replayed": False, "firstSeenAt": refund["createdAt"]}
    assert refund["deposit"] == {
        "id": deposit["id"],
        "refunded": {"amount": 20_00},
        "refundable": {"amount": 30_00},
    }

    done = await reaches(house, ada, refund, "SUCCEEDED")
    [made] = await at_stripe(house)
    assert (made["amount"], made["payment_intent"]) == (20_00, deposit["intent"])
    assert (made["metadata"]["refund_id"], done["refundId"]) == (refund["id"], made["id"])
    changes = [(change["status"], change["actor"], change["reason"]) for change in done["history"]]
    assert changes[0] == ("PENDING", "admin", "half of it was not done.")
    assert [status for status, *_ in changes] == ["PENDING", "PROCESSING", "SUCCEEDED"]
    assert await money(ada) == (30_00, 0)
    assert await lines(ada) == [
        ("DEPOSIT", 50_00, 0),
        ("REFUND_REQUESTED", -20_00, 20_00),
        ("REFUND_SENT", 0, -20_00),
    ]
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_parts_add_up_to_the_whole_and_no_further(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    parts = [await refunds_of(edith, deposit, amount) for amount in (1, 19_99)]
    assert codes(await refund_deposit(edith, deposit, 30_01)) == [("INVALID_INPUT", ["amount"])]
    rest = await refunds_of(edith, deposit)
    assert rest["amount"]["amount"] == 30_00
    assert codes(await refund_deposit(edith, deposit)) == [("INVALID_STATE", ["depositId"])]
    for refund in (*parts, rest):
        await reaches(house, ada, refund, "SUCCEEDED")
    assert sum(one["amount"] for one in await at_stripe(house)) == PAID
    assert await money(ada) == (0, 0)
    found = [edge["node"]["amount"]["amount"] for edge in await listed(edith, ada)]
    assert found == [30_00, 19_99, 1]
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_pending_at_stripe_it_has_left_the_wallet(house: House, ada: Person, edith: Person) -> None:
    deposit = await paid(house, ada, PAID, "pm_card_pendingRefund")
    refund = await refunds_of(edith, deposit, 20_00)
    await house.until(lambda: house.count("refunds", _id=refund["id"], sent={"$ne": None}))
    pending = await present(ada, refund)
    assert (pending["status"], pending["waitingFor"]["code"]) == ("PROCESSING", "BANK")
    assert await money(ada) == (30_00, 0)
    await house.time_passes(days=2)
    await ada.refresh()
    await reaches(house, ada, refund, "SUCCEEDED")
    assert await money(ada) == (30_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("told_by", ["event", "treasury"])
async def test_what_a_bank_sends_back_days_later_is_in_the_wallet_once(
    house: House, ada: Person, edith: Person, told_by: str
) -> None:
    deposit = await paid(house, ada, PAID, "pm_card_refundFail")
    refund = await refunds_of(edith, deposit, 20_00)
    await reaches(house, ada, refund, "SUCCEEDED")
    await house.caught_up()
    await house.stripe.webhooks(**({"duplicate": 3, "shuffle": True} if told_by == "event" else {"drop": 1}))
    await house.time_passes(days=3)
    await ada.refresh()
    await edith.refresh()
    if told_by == "treasury":
        await house.chore("treasury")
    failed = await reaches(house, ada, refund, "FAILED")
    assert failed["failure"]["code"] == "expired_or_canceled_card"
    assert await money(ada) == (50_00, 0)
    assert Counter(kind for kind, *_ in await lines(ada))["REFUND_RETURNED"] == 1
    # It may be refunded once more.
    again = await refunds_of(edith, deposit, 50_00)
    await house.stripe.webhooks()
    await reaches(house, ada, again, "SUCCEEDED")
    await house.caught_up()
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_requires_action_is_told_and_ends(house: House, ada: Person, edith: Person) -> None:
    deposit = await paid(house, ada, PAID, "pm_card_pendingRefund")
    refund = await refunds_of(edith, deposit, 20_00)
    [made] = await house.until(lambda: at_stripe(house))
    await house.stripe.control(f"/refunds/{made['id']}", {"outcome": "requires_action"})
    waiting = await reaches(house, ada, refund, "REQUIRES_ACTION")
    assert waiting["waitingFor"]["code"] == "PAYER_ACTION"
    await house.stripe.control(f"/refunds/{made['id']}", {"outcome": "canceled"})
    await reaches(house, ada, refund, "CANCELED")
    assert await money(ada) == (50_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ made at Stripe by hand


async def test_a_refund_made_in_stripes_dashboard_is_adopted_once(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    await house.stripe.webhooks(duplicate=3, shuffle=True)
    by_hand = {"payment_intent": deposit["intent"], "amount": "2000"}
    made = await house.stripe.request("POST", "/v1/refunds", by_hand)
    [edge] = await house.until(lambda: listed(edith, ada))
    refund = await reaches(house, ada, edge["node"], "SUCCEEDED")
    assert (refund["origin"], refund["refundId"], refund["amount"]["amount"]) == ("STRIPE", made["id"], 20_00)
    await house.caught_up()
    await house.chore("treasury")
    assert await money(ada) == (30_00, 0)
    assert (await present(ada, refund))["deposit"]["refundable"]["amount"] == 30_00
    assert await house.count("refunds") == 1
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_adopted_it_may_leave_a_debt_which_what_comes_in_pays(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    grace = await house.contractor()
    await ada.hires(grace, usd=40_00)  # 42.00 with the fee
    await house.stripe.request("POST", "/v1/refunds", {"payment_intent": deposit["intent"]})
    await house.until(lambda: listed(edith, ada))
    await house.caught_up()
    assert await money(ada) == (-42_00, 0)
    row = await house.collection("wallets").find_one({"owner": ada.id})
    assert [freeze["cause"] for freeze in row["freezes"]] == ["DEBT"]
    await paid(house, ada, PAID)
    row = await house.collection("wallets").find_one({"owner": ada.id})
    assert (row["available"], row["freezes"]) == (8_00, [])
    assert await house.ledger_is_sound()


async def test_events_may_be_lost_and_the_balance_tells_of_it(
    house: House, ada: Person, edith: Person
) -> None:
    """Also of the payment itself: what was refunded was paid."""
    deposit = await ada.deposits(usd=PAID)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    by_hand = {"payment_intent": intent_of(deposit), "amount": "2000"}
    made = await house.stripe.request("POST", "/v1/refunds", by_hand)
    await house.deliver(
        {
            "id": "evt_1",
            "object": "event",
            "type": "refund.created",
            "livemode": False,
            "created": 1,
            "data": {"object": made},
        }
    )
    [edge] = await house.until(lambda: listed(edith, ada))
    await reaches(house, ada, edge["node"], "SUCCEEDED")
    assert await money(ada) == (30_00, 0)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ refused, and nothing moved


async def test_the_same_key_makes_one_refund(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    asked = await asyncio.gather(*(refund_deposit(edith, deposit, 30_00, key="one") for _ in range(8)))
    assert len({payload["refund"]["id"] for payload in asked}) == 1
    assert Counter(payload["idempotency"]["replayed"] for payload in asked) == {True: 7, False: 1}
    other = await refund_deposit(edith, deposit, 20_00, key="one")
    assert other["refund"] is None
    assert (codes(other), other["userErrors"][0]["conflictingFields"]) == (
        [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])],
        ["amount"],
    )
    await reaches(house, ada, asked[0]["refund"], "SUCCEEDED")
    assert await money(ada) == (20_00, 0)


async def test_of_two_at_once_that_are_too_much_together_one_is_made(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    await house.funded(ada, usd=100_00)  # so that it is the deposit that has not enough
    asked = await asyncio.gather(*(refund_deposit(edith, deposit, 30_00) for _ in range(4)))
    refused = [codes(payload) for payload in asked if payload["refund"] is None]
    assert refused == [[("INVALID_INPUT", ["amount"])]] * 3
    [made] = [payload["refund"] for payload in asked if payload["refund"] is not None]
    await reaches(house, ada, made, "SUCCEEDED")
    assert await money(ada) == (120_00, 0)
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("amount", [0, -1, 50_01, MINOR_UNITS_MAX])
async def test_no_more_than_is_left_and_no_less_than_a_cent(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any], amount: int
) -> None:
    assert codes(await refund_deposit(edith, deposit, amount)) == [("INVALID_INPUT", ["amount"])]
    assert (await money(ada), await house.count("refunds")) == ((50_00, 0), 0)


async def test_never_more_than_the_wallet_has(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    grace = await house.contractor()
    await ada.hires(grace, usd=40_00)
    payload = await refund_deposit(edith, deposit, 50_00)
    assert [error["code"] for error in payload["userErrors"]] == ["INSUFFICIENT_FUNDS"]
    assert payload["userErrors"][0]["available"]["amount"] == 8_00
    query = "query ($id: ID!) { deposit(id: $id) { refundable { amount } } }"
    shown = await ada.data(query, {"id": deposit["id"]})
    assert shown["deposit"]["refundable"]["amount"] == 8_00
    assert (await money(ada), await house.count("refunds")) == ((8_00, 0), 0)


async def test_an_unpaid_deposit_a_stranger_s_word_and_a_frozen_wallet(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    unpaid = await ada.deposits(usd=10_00)
    assert codes(await refund_deposit(edith, unpaid)) == [("INVALID_STATE", ["depositId"])]
    nowhere = {"id": "dep_00000000000000000000000000"}
    assert codes(await refund_deposit(edith, nowhere)) == [("NOT_FOUND", ["depositId"])]
    stranger = await house.customer("eve")
    assert codes(await refund_deposit(stranger, deposit)) == [("NOT_FOUND", ["depositId"])]
    await freeze(edith, await wallet_id(ada))
    frozen = await refund_deposit(edith, deposit, 1_00)
    assert [error["code"] for error in frozen["userErrors"]] == ["WALLET_FROZEN"]
    assert (await money(ada), await house.count("refunds")) == ((50_00, 0), 0)


async def test_who_may_not_refund_is_told_so(house: House, ada: Person, deposit: dict[str, Any]) -> None:
    command = {"depositId": deposit["id"], "idempotencyKey": "k"}
    assert (await try_to(ada, "refundDeposit", **command)).code == "FORBIDDEN"
    assert (await try_to(house.nobody(), "refundDeposit", **command)).code == "UNAUTHENTICATED"
    query = "{ refunds { edges { node { id } } } }"
    assert (await ada.ask(query)).code == "FORBIDDEN"
    resolve = {"id": "rfd_1", "outcome": "NOT_SENT", "reason": "x"}
    assert (await try_to(ada, "resolveRefund", **resolve)).code == "FORBIDDEN"


async def test_owners_refund_within_the_window_where_the_house_lets_them(
    house: House, ada: Person, deposit: dict[str, Any]
) -> None:
    before = house.runtime
    house._lifespan["runtime"] = house.with_policy(owner_refund_window=timedelta(hours=24))
    try:
        refund = await refunds_of(ada, deposit, 20_00)
        await reaches(house, ada, refund, "SUCCEEDED")
        await house.time_passes(hours=24)
        await ada.refresh()
        assert codes(await refund_deposit(ada, deposit, 20_00)) == [("INVALID_STATE", ["depositId"])]
    finally:
        house._lifespan["runtime"] = before
    assert await money(ada) == (30_00, 0)


async def test_strangers_see_no_refund(
    house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await refunds_of(edith, deposit)
    stranger = await house.customer("eve")
    query = "query ($id: ID!) { refund(id: $id) { id } node(id: $id) { id } operation(id: $id) { id } }"
    for person, seen in ((ada, {"id": refund["id"]}), (edith, {"id": refund["id"]}), (stranger, None)):
        assert set(map(str, (await person.data(query, {"id": refund["id"]})).values())) == {str(seen)}
    mine = (await ada.data("{ me { refunds { edges { node { id } } } } }"))["me"]["refunds"]["edges"]
    assert mine == [{"node": {"id": refund["id"]}}]


# ------------------------------------------------------------------ taken back, or in the way


async def test_before_it_is_sent_it_can_be_canceled(
    quiet_house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await refunds_of(edith, deposit, 20_00)
    assert await money(ada) == (30_00, 20_00)
    assert refund["waitingFor"]["code"] == "SENDING"
    stranger = await quiet_house.customer("eve")
    refused = await ask_of_refund(stranger, "cancelRefund", id=refund["id"])
    assert codes(refused) == [("NOT_FOUND", ["id"])]
    for _ in range(2):
        canceled = await ask_of_refund(edith, "cancelRefund", id=refund["id"], reason="a mistake.")
        assert (canceled["userErrors"], canceled["refund"]["status"]) == ([], "CANCELED")
    assert (await present(ada, refund))["deposit"]["refundable"]["amount"] == 50_00
    sent = await refunds_of(edith, deposit, 20_00)
    await work(quiet_house)
    refused = await ask_of_refund(edith, "cancelRefund", id=sent["id"])
    assert codes(refused) == [("INVALID_STATE", ["id"])]
    assert await money(ada) == (30_00, 0)
    acts = [row["act"] async for row in quiet_house.collection("audit_records").find({"by": edith.id})]
    assert Counter(acts) == {"REFUND_REQUESTED": 2, "REFUND_CANCELED": 1}
    assert await quiet_house.ledger_is_sound()


async def test_a_freeze_that_comes_between_is_waited_for(
    quiet_house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await refunds_of(edith, deposit, 20_00)
    await freeze(edith, await wallet_id(ada), "a question.")
    await work(quiet_house)
    waiting = await present(ada, refund)
    assert (waiting["status"], waiting["waitingFor"]["code"]) == ("PENDING", "WALLET_FROZEN")
    assert waiting["waitingFor"]["message"].endswith("a question.")
    await edith.data(
        "mutation ($input: WalletDecisionInput!) { unfreezeWallet(input: $input) { userErrors { code } } }",
        {"input": {"walletId": await wallet_id(ada), "reason": "answered."}},
    )
    assert await go_on(quiet_house, refund) == "SUCCEEDED"
    assert await money(ada) == (30_00, 0)


async def test_a_disputed_deposit_is_not_refunded_and_what_waits_is_called_off(
    quiet_house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """Here the dispute itself is only what it writes on the deposit."""
    refund = await refunds_of(edith, deposit, 20_00)
    reclaim = {"operation": "dsp_1", "amount": 0, "blocks": True}
    await quiet_house.collection("deposits").update_one(
        {"_id": deposit["id"]}, {"$push": {"reclaims": reclaim}, "$inc": {"version": 1}}
    )
    assert codes(await refund_deposit(edith, deposit, 1_00)) == [("INVALID_STATE", ["depositId"])]
    await work(quiet_house)
    called_off = await present(ada, refund)
    assert (called_off["status"], called_off["history"][-1]["reason"]) == (
        "CANCELED",
        "the deposit is disputed",
    )
    assert (await money(ada), await at_stripe(quiet_house)) == ((50_00, 0), [])


async def test_a_refund_that_stripe_refuses_gives_the_money_back(
    quiet_house: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """Somebody was quicker, in the dashboard, and nobody has told us."""
    await quiet_house.stripe.webhooks(drop=1)
    refund = await refunds_of(edith, deposit, 20_00)
    by_hand = {"payment_intent": deposit["intent"]}
    await quiet_house.stripe.request("POST", "/v1/refunds", by_hand)
    await work(quiet_house)
    failed = await present(ada, refund)
    assert (failed["status"], failed["failure"]["code"]) == ("FAILED", "charge_already_refunded")
    assert await money(ada) == (50_00, 0)
    await quiet_house.chore("treasury")
    assert await money(ada) == (0, 0)
    assert (await stored(quiet_house, refund))["sent"] is None
    assert await quiet_house.ledger_is_sound(asking_stripe=True)


async def listed(admin: Person, owner: Person, *statuses: str) -> list[dict[str, Any]]:
    variables = {"person": owner.id, "status": list(statuses) or None}
    edges: list[dict[str, Any]] = (await admin.data(LISTS, variables))["refunds"]["edges"]
    return edges
