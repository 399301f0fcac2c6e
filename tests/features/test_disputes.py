"""Money that a payer's bank takes back: booked by what Stripe moved, the wallet frozen until it is over."""

from dataclasses import replace
from typing import Any

import pytest

from domain import treasury, withdrawals
from domain.disputes import facts, upkeep
from domain.gateway import StripeTrouble
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.withdrawals.sending import ERRAND
from tests.features.test_freezes import freeze, wallet_id
from tests.house import House, Person
from tests.house.adjustments import adjust
from tests.house.disputes import (
    DISPUTES,
    FEE,
    causes,
    complain,
    conclude,
    decide,
    disputed,
    learn,
    present,
    stored,
    told,
    try_write_off,
    write_off,
)
from tests.house.refunds import ask_of_refund, paid, reaches, refund_deposit, refunds_of
from tests.house.treasury import OPENING_FLOAT, alerts, cards_settle, outcomes, platform

PAID = 50_00
CARD_FEE = 145 + 30
LISTS = """
query ($status: [DisputeStatus!], $person: ID) {
  disputes(status: $status, filter: {personId: $person}) { edges { node { id amount { amount } } } }
}
"""
OWN = "query ($status: [DisputeStatus!]) { me { disputes(status: $status) { edges { node { id } } } } }"
NODE = "query ($id: ID!) { dispute(id: $id) { id } node(id: $id) { id } operation(id: $id) { id state } }"
STATEMENT = "{ wallet { transactions { edges { node { kind amount { amount } operation { id } } } } } }"
RESOLVE = """
mutation ($input: ResolveDepositInput!) {
  resolveDeposit(input: $input) { deposit { status } userErrors { code path } }
}
"""
AUDIT = "{ auditLog { edges { node { act subject reason } } } }"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin()


async def both(house: House) -> Person:
    """Who pays in, and has an account to be paid to."""
    person = await house.nobody().sign_up("both", "CUSTOMER", "CONTRACTOR")
    assert (await person.create_connect_account())["userErrors"] == []
    await house.onboard(person, "active")
    await house.quiet()
    return person


async def statement(person: Person) -> list[tuple[str, int]]:
    """Kind and what became available, the oldest first."""
    edges = (await person.data(STATEMENT))["wallet"]["transactions"]["edges"]
    return [(edge["node"]["kind"], edge["node"]["amount"]["amount"]) for edge in reversed(edges)]


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def refundable(house: House, row: dict[str, Any]) -> int:
    deposit = await house.collection("deposits").find_one({"_id": row["deposit"]})
    return int(sum(reclaim["amount"] for reclaim in deposit["reclaims"]))


# ------------------------------------------------------------------ what a bank does


async def test_a_card_that_disputes_what_it_paid_is_booked_to_the_cent(
    house: House, ada: Person, edith: Person
) -> None:
    """Its events come before the payment's own."""
    deposit = await paid(house, ada, PAID, card="pm_card_createDispute")
    await house.caught_up()
    [at_stripe] = await house.stripe.objects("dispute")
    row = await stored(house, at_stripe["id"])
    await cards_settle(house)
    await house.chore("treasury")

    shown = await present(ada, row)
    assert shown is not None
    assert (shown["status"], shown["reason"], shown["deposit"]) == (
        "NEEDS_RESPONSE",
        "fraudulent",
        {"id": deposit["id"]},
    )
    amounts = [shown[name]["amount"] for name in ("amount", "withdrawn", "reinstated", "writtenOff")]
    assert amounts == [PAID, PAID, 0, 0]
    assert (shown["evidenceDueBy"], shown["waitingFor"]["code"], shown["waitingFor"]["until"]) == (
        None,
        "EVIDENCE",
        None,
    )
    to_admin = await present(edith, row)
    assert to_admin is not None
    assert to_admin["evidenceDueBy"] == to_admin["waitingFor"]["until"] is not None
    assert await statement(ada) == [("DEPOSIT", PAID), ("DISPUTE_WITHDRAWN", -PAID)]
    assert await causes(ada) == ["DISPUTE"]
    assert await platform(house) == {
        "bank": OPENING_FLOAT,
        "stripe": -(OPENING_FLOAT - CARD_FEE - FEE),
        "stripe_fees": -(CARD_FEE + FEE),
    }
    assert set((await outcomes(house)).values()) == {"BOOKED", "MATCHED"}
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize(
    ("way", "withdrawn", "reinstated"),
    [
        (["under_review", "won"], PAID, PAID),
        (["won"], PAID, PAID),
        (["lost"], PAID, 0),
        (["under_review", "lost"], PAID, 0),
    ],
)
async def test_it_ends_as_the_bank_decides(
    house: House, ada: Person, way: list[str], withdrawn: int, reinstated: int
) -> None:
    await house.funded(ada, usd=10_00)
    row = await disputed(house, ada, PAID)
    assert (await ada.available(), await causes(ada)) == (10_00, ["DISPUTE"])
    for outcome in way:
        row = await conclude(house, row, outcome)
        assert row["status"] == outcome.upper()

    shown = await present(ada, row)
    assert shown is not None
    assert (shown["withdrawn"]["amount"], shown["reinstated"]["amount"]) == (withdrawn, reinstated)
    assert shown["waitingFor"] is None
    assert (await ada.available(), await causes(ada)) == (10_00 + PAID - withdrawn + reinstated, [])
    assert await refundable(house, row) == withdrawn - reinstated
    assert row["next_attempt_at"] is None
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_less_may_come_back_and_no_fee(house: House, ada: Person) -> None:
    row = await disputed(house, ada, PAID)
    await conclude(house, row, "won", amount=20_00, fee_returned=False)
    await cards_settle(house)
    await house.chore("treasury")
    assert await ada.available() == 20_00
    assert (await platform(house))["stripe_fees"] == -(CARD_FEE + FEE)
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("outcome", ["warning_closed", "prevented"])
async def test_an_inquiry_moves_nothing_and_stops_what_would_leave(
    house: House, ada: Person, outcome: str
) -> None:
    row = await disputed(house, ada, PAID, inquiry=True)
    assert (row["status"], await causes(ada)) == ("WARNING_NEEDS_RESPONSE", ["DISPUTE"])
    row = await conclude(house, row, "under_review")
    assert row["status"] == "WARNING_UNDER_REVIEW"
    shown = await present(ada, row)
    assert shown is not None
    assert shown["waitingFor"]["code"] == "BANK_DECISION"

    row = await conclude(house, row, outcome)

    assert (row["status"], row["movements"]) == (outcome.upper(), [])
    assert (await ada.available(), await causes(ada)) == (PAID, [])
    assert await house.ledger_is_sound()


async def test_an_inquiry_becomes_a_dispute(house: House, ada: Person) -> None:
    row = await disputed(house, ada, PAID, inquiry=True)
    row = await conclude(house, row, "needs_response")
    assert (row["status"], len(row["movements"])) == ("NEEDS_RESPONSE", 1)
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE"])
    row = await conclude(house, row, "lost")
    assert [change["status"] for change in row["history"]] == [
        "WARNING_NEEDS_RESPONSE",
        "NEEDS_RESPONSE",
        "LOST",
    ]
    assert await house.ledger_is_sound()


async def test_each_dispute_is_a_freeze_of_its_own(house: House, ada: Person, edith: Person) -> None:
    deposit = await paid(house, ada, PAID)
    first = await told(house, await complain(house, deposit, amount=20_00))
    second = await told(house, await complain(house, deposit))
    await freeze(edith, await wallet_id(ada))
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE", "DISPUTE", "ADMIN"])

    await conclude(house, first, "won")
    assert (await ada.available(), await causes(ada)) == (20_00, ["DISPUTE", "ADMIN"])
    await conclude(house, second, "lost")
    assert await causes(ada) == ["ADMIN"]
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ money that is not there any more


async def test_what_went_into_escrow_is_owed_and_paid_by_what_comes_in(
    house: House, ada: Person, edith: Person
) -> None:
    grace = await house.contractor()
    deposit = await paid(house, ada, PAID)
    escrow = await ada.hires(grace, usd=40_00)
    row = await told(house, await complain(house, deposit))
    in_escrow = await ada.in_escrow()
    assert await ada.available() == -in_escrow
    assert await causes(ada) == ["DISPUTE", "DEBT"]
    assert codes(await ada.release_escrow(escrow)) == [("WALLET_FROZEN", ["id"])]
    assert (await edith.release_escrow(escrow))["userErrors"] == []
    assert await grace.available() == 32_00

    await conclude(house, row, "lost")
    assert await causes(ada) == ["DEBT"]
    await paid(house, ada, 30_00)
    assert (await ada.available(), await causes(ada)) == (30_00 - in_escrow, ["DEBT"])
    await paid(house, ada, 20_00)
    assert (await ada.available(), await causes(ada)) == (PAID - in_escrow, [])
    assert await house.ledger_is_sound()


async def test_what_is_at_a_contractors_bank_is_owed(house: House) -> None:
    person = await both(house)
    deposit = await paid(house, person, PAID)
    withdrawal = await person.withdraws(usd=30_00)
    await house.withdrawal_reaches(person, withdrawal, "IN_TRANSIT")
    await told(house, await complain(house, deposit))
    assert (await person.available(), await causes(person)) == (-30_00, ["DISPUTE", "DEBT"])
    assert (await person.withdrawal(withdrawal["id"]))["status"] == "IN_TRANSIT"
    assert await house.ledger_is_sound()


async def test_holds_of_what_was_never_sent_come_back(house: House) -> None:
    person = await both(house)
    deposit = await paid(house, person, PAID)
    async with house.worker_away():
        pending = await person.withdraws(usd=10_00)
        retrying = await person.withdraws(usd=10_00)
        await house.stripe.fault("POST", "/v1/transfers", "rate_limit_429")
        await withdrawals.go_on(house.runtime, retrying["id"])
        assert (await person.withdrawal(retrying["id"]))["status"] == "RETRYING"
        row = await learn(house, await complain(house, deposit))
    for withdrawal in (pending, retrying):
        canceled = await person.withdrawal(withdrawal["id"])
        assert (canceled["status"], canceled["history"][-1]["reason"]) == (
            "CANCELED",
            "a payment into the wallet is disputed",
        )
    assert (await person.available(), await person.held()) == (0, 0)
    refused = await person.request_withdrawal(10_00)
    assert codes(refused) == [("WALLET_FROZEN", [])]
    await conclude(house, row, "won")
    assert (await person.request_withdrawal(10_00))["userErrors"] == []
    assert await house.ledger_is_sound()


async def test_what_was_about_to_be_sent_waits_and_goes_when_the_dispute_is_over(house: House) -> None:
    """Its sender died before it asked: the next one begins anew, and meets the freeze."""
    person = await both(house)
    deposit = await paid(house, person, PAID)
    await house.funded(person, usd=20_00)
    async with house.worker_away():
        withdrawal = await person.withdraws(usd=20_00)

        async def begin(tx: Tx) -> None:
            await ERRAND.start(house.runtime, tx, await ERRAND.get(withdrawal["id"], tx))

        await house.runtime.database.transact(begin)
        assert (await person.withdrawal(withdrawal["id"]))["status"] == "PROCESSING"
    row = await told(house, await complain(house, deposit))
    await house.time_passes(seconds=4)
    waiting = await house.withdrawal_reaches(person, withdrawal, "RETRYING")
    assert waiting["waitingFor"]["code"] == "WALLET_FROZEN"
    assert await person.held() == 20_00

    await conclude(house, row, "lost")

    await house.withdrawal_reaches(person, withdrawal, "IN_TRANSIT")
    assert (await person.available(), await person.held()) == (0, 0)
    assert await house.ledger_is_sound()


async def test_nothing_is_refunded_while_it_is_open_nor_what_was_taken(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await paid(house, ada, PAID)
    row = await told(house, await complain(house, deposit, amount=20_00))
    assert (await refund_deposit(edith, deposit, 1))["userErrors"] != []
    await conclude(house, row, "lost")
    assert (await refund_deposit(edith, deposit, 30_01))["userErrors"] != []
    assert await refundable(house, row) == 20_00


async def test_a_refund_that_the_bank_overtakes_comes_back_before_the_bank_takes_all(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await paid(house, ada, PAID, card="pm_card_pendingRefund")
    refund = (await refund_deposit(edith, deposit, 20_00))["refund"]
    await reaches(house, edith, refund, "PROCESSING")
    await house.caught_up()
    await told(house, await complain(house, deposit))
    await reaches(house, edith, refund, "FAILED")
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE"])
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_of_what_was_refunded_wholly_nothing_is_taken(house: House, ada: Person, edith: Person) -> None:
    deposit = await paid(house, ada, PAID)
    await reaches(house, edith, (await refund_deposit(edith, deposit))["refund"], "SUCCEEDED")
    row = await told(house, await complain(house, deposit))
    assert (row["status"], row["movements"], await ada.available()) == ("NEEDS_RESPONSE", [], 0)
    row = await conclude(house, row, "lost")
    assert (await ada.available(), await causes(ada)) == (0, [])
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ what nobody awaited


async def test_a_dispute_about_nothing_of_ours_is_found_and_unexplained(house: House) -> None:
    made = {"amount": "2500", "currency": "usd", "confirm": "true", "payment_method": "pm_card_createDispute"}
    made |= {
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
    }
    await house.stripe.request("POST", "/v1/payment_intents", made)
    await house.caught_up()
    found = await house.collection("findings").distinct("event_type")
    assert {"charge.dispute.created", "charge.dispute.funds_withdrawn"} <= set(found)
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.count("disputes") == 0
    assert (await platform(house)).get("unexplained", 0) == 0, "what came is what left"
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_waits_for_a_review_is_taken_from_where_it_is(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.collection("deposits").update_one({"_id": deposit["id"]}, {"$set": {"amount": 30_00}})
    before = alerts("DISPUTE_OUTSIDE_OF_WALLETS")
    await house.pay(deposit, "pm_card_createDispute")
    await house.reaches(ada, deposit, "NEEDS_REVIEW")
    await house.caught_up()
    [row] = await house.collection("disputes").find({}).to_list()
    assert (row["in_wallet"], row["wallet"]) == (False, await wallet_id(ada))
    assert alerts("DISPUTE_OUTSIDE_OF_WALLETS") == before + 1
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE"])
    command = {"id": deposit["id"], "outcome": "CREDIT", "reason": "she meant it."}
    refused = (await edith.data(RESOLVE, {"input": command}))["resolveDeposit"]
    assert codes(refused) == [("INVALID_STATE", ["id"])]
    assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["id"])]
    await cards_settle(house)
    await house.chore("treasury")
    assert (await platform(house)).get("unexplained", 0) == 0
    assert await house.ledger_is_sound(asking_stripe=True)

    await conclude(house, row, "won")

    resolved = (await edith.data(RESOLVE, {"input": command}))["resolveDeposit"]
    assert resolved == {"deposit": {"status": "SUCCEEDED"}, "userErrors": []}
    await house.chore("treasury")
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_was_credited_after_a_dispute_is_taken_from_the_wallet_when_the_bank_changes_its_mind(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.collection("deposits").update_one({"_id": deposit["id"]}, {"$set": {"amount": 30_00}})
    await house.pay(deposit, "pm_card_createDispute")
    await house.reaches(ada, deposit, "NEEDS_REVIEW")
    await house.caught_up()
    [row] = await house.collection("disputes").find({}).to_list()
    await conclude(house, row, "won")
    command = {"id": deposit["id"], "outcome": "CREDIT", "reason": "she meant it."}
    assert (await edith.data(RESOLVE, {"input": command}))["resolveDeposit"]["userErrors"] == []
    assert await ada.available() == 25_00

    now = await facts.read(house.runtime, row["stripe_id"], actor=Actor.WORKER)
    taken_again = replace(now.dispute.movements[0], id="txn_again")
    lost = replace(now.dispute, status="lost", movements=(*now.dispute.movements, taken_again))
    await upkeep.record(house.runtime, replace(now, dispute=lost))

    assert await ada.available() == 0
    assert (await platform(house)).get("unexplained", 0) == 0
    assert await house.ledger_is_sound()


async def test_a_payment_that_stripe_does_not_show_yet_is_waited_for(house: House, ada: Person) -> None:
    """Else the bank would take it from elsewhere than where it is put a moment later."""
    deposit = await ada.deposits(usd=PAID)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit, "pm_card_createDispute")
    [dispute] = await house.stripe.objects("dispute")
    [intent] = await house.stripe.objects("payment_intent")
    early = intent | {"status": "processing", "amount_received": 0}
    await house.sandbox.change(lambda tx: tx.save(early))
    with pytest.raises(StripeTrouble):
        await learn(house, dispute)
    assert await house.count("disputes") == 0
    await house.sandbox.change(lambda tx: tx.save(intent))
    await learn(house, dispute)
    assert await statement(ada) == [("DEPOSIT", PAID), ("DISPUTE_WITHDRAWN", -PAID)]
    assert await house.ledger_is_sound()


async def test_a_movement_in_another_currency_is_left_to_the_treasury(house: House, ada: Person) -> None:
    deposit = await paid(house, ada, PAID)
    async with house.worker_away():
        dispute = await complain(house, deposit)
        # In euros, as far as the dispute tells.
        movement = {**dispute["balance_transactions"][0], "currency": "eur"}
        await house.sandbox.change(lambda tx: tx.save(dispute | {"balance_transactions": [movement]}))
        before = alerts("DISPUTE_IN_ANOTHER_CURRENCY")
    row = await told(house, dispute)
    assert (row["movements"], row["left"]) == ([], [movement["id"]])
    assert alerts("DISPUTE_IN_ANOTHER_CURRENCY") == before + 1
    assert (await ada.available(), await causes(ada)) == (PAID, ["DISPUTE"])
    await cards_settle(house)
    await house.chore("treasury")
    assert (await outcomes(house))[movement["id"]] == "UNEXPLAINED"
    assert (await platform(house))["unexplained"] == -PAID
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize(
    ("outcome", "word", "status", "frozen"),
    [
        (None, "arbitrated", "NEEDS_RESPONSE", True),
        ("won", "under_review", "WON", False),
        ("lost", "warning_closed", "LOST", False),
        ("lost", "won", "WON", False),
        ("won", "lost", "LOST", False),
    ],
)
async def test_a_bank_changes_its_mind_but_nothing_runs_backwards(
    house: House, ada: Person, outcome: str | None, word: str, status: str, *, frozen: bool
) -> None:
    """What Stripe has no word for here, or leads back, is left to a person."""
    row = await disputed(house, ada, PAID)
    if outcome is not None:
        row = await conclude(house, row, outcome)
    taken = row["status"] != status
    before = alerts("DISPUTE_STATUS_NOT_TAKEN")
    await says(house, row, word)
    assert alerts("DISPUTE_STATUS_NOT_TAKEN") == before + (not taken)
    assert (await stored(house, row["stripe_id"]))["status"] == status
    assert (await causes(ada) == ["DISPUTE"]) is frozen
    assert await house.ledger_is_sound()


async def test_a_closed_inquiry_that_becomes_a_dispute_freezes_again(house: House, ada: Person) -> None:
    row = await conclude(house, await disputed(house, ada, PAID, inquiry=True), "warning_closed")
    assert await causes(ada) == []
    await says(house, row, "needs_response")
    row = await stored(house, row["stripe_id"])
    assert (row["status"], row["next_attempt_at"] is None) == ("NEEDS_RESPONSE", False)
    assert await causes(ada) == ["DISPUTE"]


async def says(house: House, row: dict[str, Any], word: str) -> None:
    """Stripe, now, of a dispute that is otherwise as it is."""
    told_now = await facts.read(house.runtime, row["stripe_id"], actor=Actor.WORKER)
    await upkeep.record(house.runtime, replace(told_now, dispute=replace(told_now.dispute, status=word)))


# ------------------------------------------------------------------ events are lost


async def test_an_open_dispute_is_read_again_without_an_event(house: House, ada: Person) -> None:
    row = await disputed(house, ada, PAID)
    await house.stripe.webhooks(drop=1)
    await decide(house, row, "won")
    async with house.worker_away():
        await house.time_passes(minutes=59)
        await house.sweep()
        assert (await stored(house, row["stripe_id"]))["status"] == "NEEDS_RESPONSE"
        await house.time_passes(minutes=1)
        await house.sweep()
    await ada.refresh()
    row = await stored(house, row["stripe_id"])
    assert (row["status"], row["history"][-1]["actor"], row["next_attempt_at"]) == ("WON", "worker", None)
    assert (await ada.available(), await causes(ada)) == (PAID, [])
    assert await house.ledger_is_sound()


async def test_the_treasury_finds_what_no_event_told(house: House, ada: Person) -> None:
    """Neither of the payment, nor of the dispute, nor of its end."""
    deposit = await ada.deposits(usd=PAID)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit, "pm_card_createDispute")
    await cards_settle(house)
    await house.chore("treasury")
    [row] = await house.collection("disputes").find({}).to_list()
    assert (row["status"], row["movements"][0]["amount"]) == ("NEEDS_RESPONSE", -PAID)
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE"])

    await decide(house, row, "won")
    await house.chore("treasury")

    assert (await stored(house, row["stripe_id"]))["status"] == "WON"
    assert (await ada.available(), await causes(ada)) == (PAID, [])
    assert set((await outcomes(house)).values()) == {"BOOKED", "MATCHED"}
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_an_inquiry_that_no_event_told_is_found_in_stripes_list(house: House, ada: Person) -> None:
    deposit = await paid(house, ada, PAID)
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit, inquiry=True)
    await house.chore("disputes")
    await house.chore("disputes")
    row = await stored(house, dispute["id"])
    assert (row["status"], row["version"], await causes(ada)) == ("WARNING_NEEDS_RESPONSE", 1, ["DISPUTE"])


async def test_what_was_read_before_anybody_knew_whose_it_is_is_booked_from_there(
    house: House, ada: Person
) -> None:
    deposit = await paid(house, ada, PAID)
    await cards_settle(house)
    async with house.worker_away():
        dispute = await complain(house, deposit)
        await house.stripe.fault("GET", DISPUTES, "error_400", code="resource_missing")
        await treasury.read_balance_transactions(house.runtime)
        assert (await platform(house))["unexplained"] == -PAID
    row = await told(house, dispute)
    assert (await ada.available(), (await platform(house)).get("unexplained", 0)) == (0, 0)
    assert await house.ledger_is_sound(asking_stripe=True)
    await conclude(house, row, "won")
    await house.chore("treasury")
    assert (await ada.available(), (await platform(house)).get("unexplained", 0)) == (PAID, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ written off


async def owing(house: House, person: Person) -> dict[str, Any]:
    """A lost dispute of 50.00, of which 42.00 are owed, for they are in an escrow."""
    deposit = await paid(house, person, PAID)
    await person.hires(await house.contractor(), usd=40_00)
    row = await told(house, await complain(house, deposit))
    assert await person.available() == -42_00
    return row


async def test_what_is_owed_is_written_off_once(house: House, ada: Person, edith: Person) -> None:
    row = await owing(house, ada)
    await conclude(house, row, "lost")

    first = await write_off(edith, row)
    again = await write_off(edith, row)
    the_same = await write_off(edith, row, amount=42_00)

    assert first["userErrors"] == again["userErrors"] == the_same["userErrors"] == []
    assert first["dispute"] == again["dispute"] == the_same["dispute"]
    assert first["dispute"]["writtenOff"]["amount"] == 42_00
    assert (await ada.available(), await causes(ada)) == (0, [])
    assert (await platform(house))["losses"] == -42_00
    assert codes(await write_off(edith, row, amount=1)) == [("INVALID_STATE", ["amount"])]
    edges = (await edith.data(AUDIT))["auditLog"]["edges"]
    assert [edge["node"] for edge in edges] == [
        {"act": "DISPUTE_WRITTEN_OFF", "subject": row["_id"], "reason": "she pays no more."}
    ]
    assert await house.ledger_is_sound()


async def test_all_is_not_taken_for_the_part_that_was_written_off(
    house: House, ada: Person, edith: Person
) -> None:
    row = await owing(house, ada)
    assert (await write_off(edith, row, amount=40_00))["userErrors"] == []
    assert (await write_off(edith, row, amount=40_00))["userErrors"] == []
    assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["amount"])]
    assert await ada.available() == -2_00


async def test_what_comes_back_makes_good_the_loss_first(house: House, ada: Person, edith: Person) -> None:
    row = await owing(house, ada)
    assert (await write_off(edith, row, amount=12_00))["userErrors"] == []
    assert (await ada.available(), await causes(ada)) == (-30_00, ["DISPUTE", "DEBT"])

    row = await conclude(house, row, "won")

    assert (row["movements"][1]["amount"], row["movements"][1]["recovered"]) == (PAID, 12_00)
    assert (await ada.available(), await causes(ada)) == (8_00, [])
    assert (await platform(house)).get("losses", 0) == 0
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_debt_that_another_dispute_may_pay_is_not_written_off(
    house: House, ada: Person, edith: Person
) -> None:
    row = await owing(house, ada)
    await conclude(house, row, "lost")
    other = await disputed(house, ada, PAID)
    assert await ada.available() == -42_00
    assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["id"])]

    await conclude(house, other, "won")

    assert await ada.available() == 8_00
    assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["id"])]
    assert (await platform(house)).get("losses", 0) == 0


@pytest.mark.parametrize("way", ["the dispute", "the wallet"])
async def test_a_debt_that_what_is_held_can_pay_is_not_written_off(
    house: House, ada: Person, edith: Person, way: str
) -> None:
    """Else what was held would go out once nothing is owed, and the platform had paid for it."""
    deposit, other = await paid(house, ada, PAID), await paid(house, ada, PAID)
    await ada.hires(await house.contractor(), usd=40_00)
    async with house.worker_away():
        held = await refunds_of(edith, other)
        row = await learn(house, await complain(house, deposit))
        row = await learn(house, await decide(house, row, "lost"))
    assert await ada.available() == -42_00

    if way == "the dispute":
        assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["id"])]
    else:
        refused = await adjust(edith, row["wallet"], 42_00, kind="WRITE_OFF")
        assert codes(refused) == [("INVALID_INPUT", ["amount"])]

    back = await ask_of_refund(edith, "cancelRefund", id=held["id"])
    assert back["userErrors"] == []
    assert (await ada.available(), await causes(ada)) == (8_00, [])
    assert await house.ledger_is_sound()


async def test_what_cannot_be_written_off_is_refused(house: House, ada: Person, edith: Person) -> None:
    row = await owing(house, ada)
    entries = await house.count("entries")
    assert codes(await write_off(edith, row, amount=42_01)) == [("INVALID_INPUT", ["amount"])]
    assert codes(await write_off(edith, row, amount=0)) == [("INVALID_INPUT", ["amount"])]
    assert codes(await write_off(edith, row, reason="  ")) == [("INVALID_INPUT", ["reason"])]
    assert codes(await write_off(edith, row, reason="x" * 501)) == [("INVALID_INPUT", ["reason"])]
    assert codes(await write_off(edith, row, id="dsp_0")) == [("NOT_FOUND", ["id"])]
    assert (await try_write_off(ada, row)).code == "FORBIDDEN"
    await house.collection("disputes").update_one({"_id": row["_id"]}, {"$set": {"owner": edith.id}})
    assert (await try_write_off(edith, row)).code == "FORBIDDEN"
    await house.collection("disputes").update_one({"_id": row["_id"]}, {"$set": {"owner": ada.id}})
    await paid(house, ada, 42_00)
    assert codes(await write_off(edith, row)) == [("INVALID_STATE", ["id"])]
    assert await house.count("entries", ref={"$regex": "written_off"}) == 0
    assert await house.count("entries") == entries + 1
    assert await house.count("audit_records") == 0


# ------------------------------------------------------------------ who sees what


async def test_its_owner_and_admins_see_it_and_nobody_else(house: House, ada: Person, edith: Person) -> None:
    won = await conclude(house, await disputed(house, ada, PAID), "won")
    opened = await disputed(house, ada, 20_00)
    bob = await house.customer("bob")
    for person in (ada, edith):
        seen = await person.data(NODE, {"id": opened["_id"]})
        assert (seen["dispute"], seen["node"]) == ({"id": opened["_id"]},) * 2
        assert seen["operation"] == {"id": opened["_id"], "state": "NEEDS_RESPONSE"}
    assert set((await bob.data(NODE, {"id": opened["_id"]})).values()) == {None}
    own = (await ada.data(OWN))["me"]["disputes"]["edges"]
    assert [edge["node"]["id"] for edge in own] == [opened["_id"], won["_id"]]
    own = (await ada.data(OWN, {"status": ["WON"]}))["me"]["disputes"]["edges"]
    assert [edge["node"]["id"] for edge in own] == [won["_id"]]
    assert (await bob.data(OWN))["me"]["disputes"]["edges"] == []
    found = (await edith.data(LISTS, {"person": ada.id, "status": ["NEEDS_RESPONSE"]}))["disputes"]["edges"]
    assert found == [{"node": {"id": opened["_id"], "amount": {"amount": 20_00}}}]
    assert (await edith.data(LISTS, {"person": bob.id}))["disputes"]["edges"] == []
    assert (await ada.ask(LISTS)).code == "FORBIDDEN"
    assert (await house.nobody().ask(NODE, {"id": opened["_id"]})).code == "UNAUTHENTICATED"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 5_000), ("KWD", 50_000)])
async def test_each_currency_has_its_own_minor_units(
    house: House, ada: Person, currency: str, amount: int
) -> None:
    deposit = (await ada.create_deposit(amount, currency=currency))["deposit"]
    await house.pay(deposit, "pm_card_createDispute")
    await house.settled(ada, deposit)
    await house.caught_up()
    [row] = await house.collection("disputes").find({}).to_list()
    assert (row["amount"], row["currency"], row["movements"][0]["amount"]) == (amount, currency, -amount)
    assert await ada.available(currency) == 0
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)
