"""Stripe's balance transactions become the platform's books: each once, in order, and nothing in silence."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from domain import deposits, ledger, treasury
from domain.deposits import ResolveDeposit, ReviewOutcome
from domain.kernel.ids import made_at
from domain.kernel.operations import Actor
from domain.ledger.checkpoints import SETTLED
from domain.treasury import reading
from tests.house import House, Person
from tests.house.treasury import (
    OPENING_FLOAT,
    alerts,
    at_stripe,
    cards_settle,
    outcomes,
    plant,
    platform,
    settle_otherwise,
)


async def paid(house: House, person: Person, amount: int, **more: Any) -> dict[str, Any]:
    """A deposit of the person's that Stripe has received."""
    deposit: dict[str, Any] = (await person.create_deposit(amount, **more))["deposit"]
    await house.pay(deposit)
    return await house.settled(person, deposit)


async def charge_of(house: House, deposit_id: str) -> dict[str, Any]:
    charges = await house.stripe.objects("charge")
    [charge] = [one for one in charges if one["metadata"].get("deposit_id") == deposit_id]
    return charge


async def read(house: House) -> None:
    """As the chore does it, but what goes wrong is raised."""
    await treasury.read_balance_transactions(house.runtime)


async def findings(house: House) -> dict[str, str]:
    """Kind and what it is about, without Stripe's events."""
    return {row["_id"]: row["object_id"] async for row in house.collection("findings").find({})}


# ------------------------------------------------------------------ deposits and their fees


async def test_the_fee_of_a_deposit_is_booked_to_the_cent(house: House) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, 25_00)
    await cards_settle(house)

    await house.chore("treasury")

    fee = 73 + 30  # 2.9 % of 25.00, rounded, and 30 cents
    assert await platform(house) == {
        "bank": OPENING_FLOAT,
        "stripe": -(OPENING_FLOAT + 25_00 - fee),
        "stripe_fees": -fee,
    }
    topup, charge = await at_stripe(house)
    assert await outcomes(house) == {topup["id"]: "BOOKED", charge["id"]: "MATCHED"}
    entry = await house.collection("entries").find_one({"ref": f"stripe:{charge['id']}:fee"})
    assert (entry["operation"], entry["kind"], entry["actor"]) == (deposit["id"], "STRIPE_FEE", "worker")
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_was_read_is_not_read_again(house: House) -> None:
    ada = await house.customer()
    for amount in (25_00, 10_00):
        await paid(house, ada, amount)
        await cards_settle(house)
        await house.chore("treasury")
        await house.chore("treasury")

    entries = await house.collection("entries").distinct("ref")
    assert len([ref for ref in entries if ref.startswith("stripe:")]) == 3
    assert await house.count("movements") == len(await at_stripe(house)) == 3
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_the_intent_of_a_credited_deposit_is_not_asked_for_again(house: House) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await cards_settle(house)
    calls = house.sandbox.recorder.calls
    before = sum(calls.values())

    await house.chore("treasury")

    assert sum(calls.values()) == before + 2  # the list and the balance


async def test_each_currency_has_books_of_its_own(house: House) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await paid(house, ada, 100_00, currency="EUR")
    await cards_settle(house)

    await house.chore("treasury")

    assert await platform(house, "EUR") == {"stripe": -(100_00 - 3_20), "stripe_fees": -3_20}
    assert (await platform(house))["stripe_fees"] == -1_03
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize(
    ("currency", "amount", "fee"), [("JPY", 5_000, 145 + 30), ("ISK", 5_000, 145), ("KWD", 50_000, 1_480)]
)
async def test_fees_are_booked_in_our_minor_units(house: House, currency: str, amount: int, fee: int) -> None:
    ada = await house.customer()
    await paid(house, ada, amount, currency=currency)
    await cards_settle(house)

    await house.chore("treasury")

    assert await platform(house, currency) == {"stripe": fee - amount, "stripe_fees": -fee}
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_deposit_whose_event_was_lost_is_credited_by_its_balance_transaction(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    await cards_settle(house)

    await house.chore("treasury")

    credited = await ada.deposit(deposit["id"])
    assert (credited["status"], credited["history"][-1]["actor"]) == ("SUCCEEDED", "worker")
    assert await ada.available() == 25_00
    assert (await platform(house))["stripe_fees"] == -1_03
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_waits_for_a_review_is_booked_once(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    changed = {"$set": {"amount": 30_00}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, changed)
    await house.pay(deposit)
    await house.reaches(ada, deposit, "NEEDS_REVIEW")
    await cards_settle(house)

    await house.chore("treasury")

    assert (await platform(house))["unexplained"] == 25_00
    assert set((await outcomes(house)).values()) == {"BOOKED", "MATCHED"}
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_deposit_that_is_paid_twice_is_matched_twice(house: House) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, 25_00)
    await house.stripe.request(
        "POST",
        "/v1/payment_intents",
        {
            "amount": "2500",
            "currency": "usd",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            "metadata[deposit_id]": deposit["id"],
        },
    )
    await cards_settle(house)

    await house.chore("treasury")

    assert sorted((await outcomes(house)).values()) == ["BOOKED", "MATCHED", "MATCHED"]
    books = await platform(house)
    assert (books["unexplained"], books["stripe_fees"]) == (25_00, -2_06)
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ refunds of what was not agreed


async def reviewed(house: House, card: str = "pm_card_bypassPending") -> dict[str, Any]:
    """A deposit of 25.00 that should have been 30.00, and that an administrator sends back."""
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    changed = {"$set": {"amount": 30_00}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, changed)
    await house.pay(deposit, card)
    await house.reaches(ada, deposit, "NEEDS_REVIEW")
    await cards_settle(house)
    await send_back(house, deposit)
    return deposit


async def send_back(house: House, deposit: dict[str, Any]) -> None:
    """Once the lease of who asked Stripe last has passed."""
    house.clock.advance(seconds=house.settings.lease_seconds + 1)
    command = ResolveDeposit(deposit["id"], ReviewOutcome.REFUND, "not what was agreed")
    await deposits.resolve(house.runtime, "usr_edith", command)


async def has_status(house: House, deposit: dict[str, Any], status: str) -> bool:
    return bool(await house.count("deposits", _id=deposit["id"], status=status))


async def test_a_refund_that_a_review_decided_is_matched(house: House) -> None:
    deposit = await reviewed(house)

    await house.chore("treasury")

    assert await has_status(house, deposit, "CANCELED")
    assert "UNEXPLAINED" not in (await outcomes(house)).values()
    assert await platform(house) == {
        "bank": OPENING_FLOAT,
        "stripe": -(OPENING_FLOAT - 1_03),
        "stripe_fees": -1_03,
    }
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_refund_whose_answer_was_lost_is_booked_by_its_balance_transaction(house: House) -> None:
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", "/v1/refunds", "reset_after_commit")
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    changed = {"$set": {"amount": 30_00}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, changed)
    await house.pay(deposit)
    await cards_settle(house)
    await house.chore("treasury")
    assert await has_status(house, deposit, "NEEDS_REVIEW")
    await house.stop_worker()
    try:
        await send_back(house, deposit)
        assert await has_status(house, deposit, "NEEDS_REVIEW")

        await house.chore("treasury")

        assert await has_status(house, deposit, "CANCELED")
        assert "UNEXPLAINED" not in (await outcomes(house)).values()
        assert await house.ledger_is_sound(asking_stripe=True)
    finally:
        await house.start_worker()


@pytest.mark.parametrize("drop", [0, 1], ids=["heard of", "not heard of"])
async def test_a_refund_that_fails_comes_back_and_is_sent_again(house: House, drop: int) -> None:
    deposit = await reviewed(house, "pm_card_refundFail")
    await house.quiet()
    await house.stripe.webhooks(drop=drop)
    await house.stripe.control("/clock", {"advance_seconds": 2 * 86_400})

    await house.chore("treasury")
    await house.quiet()

    assert await has_status(house, deposit, "NEEDS_REVIEW")
    assert (await platform(house))["unexplained"] == 25_00
    assert "UNEXPLAINED" not in (await outcomes(house)).values()
    assert await house.ledger_is_sound(asking_stripe=True)

    await send_back(house, deposit)
    await house.chore("treasury")
    assert "unexplained" not in await platform(house)
    assert "UNEXPLAINED" not in (await outcomes(house)).values()
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_refund_made_at_stripe_of_a_deposit_that_was_credited_is_adopted(house: House) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, 25_00)
    await cards_settle(house)
    charge = await charge_of(house, deposit["id"])
    await house.stripe.request("POST", "/v1/refunds", {"charge": charge["id"], "amount": "500"})

    await house.chore("treasury")

    [row] = await house.collection("movements").find({"type": "refund"}).to_list()
    [adopted] = await house.collection("refunds").find({}).to_list()
    assert (row["outcome"], row["operation"]) == ("MATCHED", adopted["_id"])
    assert await ada.available() == 20_00
    assert "unexplained" not in await platform(house)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_refund_of_money_that_is_in_no_wallet_is_unexplained(house: House) -> None:
    """Of a payment that no deposit asked for, there is nobody to take it from."""
    asked = {"amount": "2500", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa"}
    asked["payment_method_types[0]"] = "card"
    intent = await house.stripe.request("POST", "/v1/payment_intents", asked)
    await cards_settle(house)
    command = {"payment_intent": intent["id"], "amount": "500"}
    refund = await house.stripe.request("POST", "/v1/refunds", command)

    await house.chore("treasury")

    [row] = await house.collection("movements").find({"type": "refund"}).to_list()
    assert (row["outcome"], row["operation"]) == ("UNEXPLAINED", refund["id"])
    assert await house.count("refunds") == 0
    assert (await platform(house))["unexplained"] == 25_00 - 5_00
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ another currency than the deposit's


async def test_a_deposit_that_settles_in_another_currency_is_found_and_the_books_say_what_stripe_holds(
    house: House,
) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, 25_00)
    charge = await charge_of(house, deposit["id"])
    movement = await settle_otherwise(house, charge["id"], 23_00, "eur", fee=97)
    before = alerts("SETTLED_OTHERWISE")

    await house.chore("treasury")

    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00
    assert (await platform(house))["unexplained"] == -25_00
    assert await platform(house, "EUR") == {"stripe": -22_03, "stripe_fees": -97, "unexplained": 23_00}
    assert alerts("SETTLED_OTHERWISE") == before + 1
    assert await findings(house) == {f"SETTLED_OTHERWISE:{movement}": charge["id"]}
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_deposit_that_is_not_credited_yet_and_settles_otherwise_waits_for_a_review(
    house: House,
) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    charge = await charge_of(house, deposit["id"])
    await settle_otherwise(house, charge["id"], 23_00, "eur")

    await house.chore("treasury")

    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"
    assert await ada.available() == 0
    # 25.00 came for the review, and were exchanged.
    assert await platform(house) == {"bank": OPENING_FLOAT, "stripe": -OPENING_FLOAT}
    assert await platform(house, "EUR") == {"stripe": -23_00, "unexplained": 23_00}
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ the platform's own


OWN = [
    ("payout", -500_00, 0, {"bank": -500_00}),
    ("payout", -500_00, 25, {"bank": -500_00, "stripe_fees": -25}),
    ("payout_reversal", 500_00, 0, {"bank": 500_00}),
    ("topup", 500_00, 0, {"bank": 500_00}),
    ("topup_reversal", -500_00, 0, {"bank": -500_00}),
    ("fee", -2_50, 0, {"stripe_fees": -2_50}),
    ("fee", 2_50, 0, {"stripe_fees": 2_50}),
    ("network_cost", -7, 0, {"stripe_fees": -7}),
]
STRANGE = [
    ("refund", -25_00, 0, {"unexplained": -25_00}),
    ("refund_failure", 25_00, 0, {"unexplained": 25_00}),
    ("dispute", -25_00, 15_00, {"unexplained": -25_00, "stripe_fees": -15_00}),
    ("dispute_reversal", 25_00, -15_00, {"unexplained": 25_00, "stripe_fees": 15_00}),
    ("transfer", -25_00, 0, {"unexplained": -25_00}),
    ("other_adjustment", 1, 0, {"unexplained": 1}),
    ("what_stripe_thinks_of_next", -1, 0, {"unexplained": -1}),
    ("charge", 25_00, 1_03, {"unexplained": 25_00, "stripe_fees": -1_03}),
]


@pytest.mark.parametrize(("category", "amount", "fee", "expected"), OWN)
async def test_the_platforms_own_movements_are_booked(
    house: House, category: str, amount: int, fee: int, expected: dict[str, int]
) -> None:
    [movement] = await plant(house, category, amount, currency="eur", fee=fee)

    await house.chore("treasury")

    assert await platform(house, "EUR") == expected | {"stripe": fee - amount}
    assert (await outcomes(house))[movement] == "BOOKED"
    assert await findings(house) == {}
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize(("category", "amount", "fee", "expected"), STRANGE)
async def test_what_nothing_of_ours_caused_is_unexplained_and_never_silent(
    house: House, category: str, amount: int, fee: int, expected: dict[str, int]
) -> None:
    [movement] = await plant(house, category, amount, currency="eur", fee=fee)
    before = alerts("UNEXPLAINED_MOVEMENT")

    await house.chore("treasury")
    await house.chore("treasury")

    assert await platform(house, "EUR") == expected | {"stripe": fee - amount}
    assert (await outcomes(house))[movement] == "UNEXPLAINED"
    assert alerts("UNEXPLAINED_MOVEMENT") == before + 1
    assert await findings(house) == {f"UNEXPLAINED:{movement}": None}
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_movement_of_nothing_is_read_and_books_nothing(house: House) -> None:
    [movement] = await plant(house, "other_adjustment", 0)
    await house.chore("treasury")
    assert movement in await outcomes(house)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_second_movement_of_the_same_charge_is_unexplained(house: House) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, 25_00)
    charge = await charge_of(house, deposit["id"])
    await cards_settle(house)
    [again] = await plant(house, "charge", 25_00, kind="charge", source=charge["id"])

    await house.chore("treasury")

    assert (await outcomes(house))[again] == "UNEXPLAINED"
    assert (await platform(house))["unexplained"] == 25_00
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ understood later


async def foreign_payment(house: House, amount: int) -> str:
    """Paid at Stripe by an intent that nothing of ours has made. Its id."""
    intent = await house.stripe.request(
        "POST",
        "/v1/payment_intents",
        {
            "amount": str(amount),
            "currency": "usd",
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
        },
    )
    await cards_settle(house)
    return str(intent["id"])


async def understand(house: House, intent_id: str) -> None:
    """What a webhook or the sweep does with what Stripe says."""
    intent = await house.runtime.gateway.payment_intent(intent_id)
    await deposits.settle(house.runtime, intent, observed_at=house.clock(), actor=Actor.WORKER)


async def test_what_is_understood_later_moves_from_unexplained(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    intent_id = await foreign_payment(house, 25_00)
    await house.chore("treasury")
    assert (await platform(house))["unexplained"] == 25_00
    books = await platform(house)

    link = {"$set": {"payment_intent_id": intent_id}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, link)
    for _ in range(2):
        await understand(house, intent_id)
        await house.chore("treasury")

    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00
    del books["unexplained"]
    assert await platform(house) == books
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_is_understood_later_and_is_not_what_was_agreed_stays_where_it_is(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=30_00)
    intent_id = await foreign_payment(house, 25_00)
    await house.chore("treasury")
    books = await platform(house)
    before = alerts("DEPOSIT_NEEDS_REVIEW")

    link = {"$set": {"payment_intent_id": intent_id}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, link)
    for _ in range(2):
        await understand(house, intent_id)

    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"
    assert await platform(house) == books
    assert alerts("DEPOSIT_NEEDS_REVIEW") == before + 1
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ in order, all of them, by anybody


async def test_the_oldest_is_read_first(house: House) -> None:
    made = []
    for age_s in (900, 600, 600, 300):
        made += await plant(house, "topup", 1_00, age_s=age_s)

    await house.chore("treasury")

    # Ids of entries are in the order of their making.
    entries = await house.collection("entries").find({}).sort("_id", 1).to_list()
    assert [entry["operation"] for entry in entries[:4]] == made


async def test_a_thousand_movements_are_read_in_windows(house: House) -> None:
    made = []
    for age_s in range(1000, 0, -100):
        made += await plant(house, "topup", 1_00, age_s=age_s, times=110)

    await house.chore("treasury")

    assert set(made) <= (await outcomes(house)).keys()
    assert (await platform(house))["bank"] == OPENING_FLOAT + 1100 * 1_00
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_windows_that_meet_leave_no_second_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW_ROWS_MIN", 3)
    made = []
    for age_s in range(12, 0, -1):
        made += await plant(house, "topup", 1_00, age_s=age_s, times=2)
    await house.chore("treasury")
    assert set(made) <= (await outcomes(house)).keys()


async def test_many_of_one_second_are_all_read(house: House) -> None:
    made = await plant(house, "topup", 1_00, age_s=10, times=600)
    await house.chore("treasury")
    assert set(made) <= (await outcomes(house)).keys()
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_one_that_appears_late_is_read(house: House) -> None:
    await plant(house, "topup", 1_00)
    await house.chore("treasury")
    [same_second] = await plant(house, "topup", 2_00, age_s=1)
    [late] = await plant(house, "topup", 3_00, age_s=3000)

    await house.chore("treasury")

    assert {same_second, late} <= (await outcomes(house)).keys()
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_one_that_appears_too_late_is_missed_by_the_reading_and_found_by_the_proof(
    house: House,
) -> None:
    await house.chore("treasury")
    await plant(house, "topup", 3_00, age_s=2 * 3600)
    await house.chore("treasury")
    [violation] = (await house.report(asking_stripe=True)).violations
    assert (violation.invariant, violation.subject) == ("8 Stripe holds what the books say", "USD")
    assert (violation.expected, violation.actual) == (str(OPENING_FLOAT + 3_00), str(OPENING_FLOAT))


async def test_two_readers_at_once_book_each_movement_once(house: House) -> None:
    ada = await house.customer()
    for amount in (25_00, 10_00, 5_00):
        await paid(house, ada, amount)
    await plant(house, "payout", -500_00, fee=25, times=10)
    await plant(house, "refund", -1_00, times=5)
    await cards_settle(house)
    before = alerts("UNEXPLAINED_MOVEMENT")

    await asyncio.gather(*(read(house) for _ in range(4)))

    assert await house.count("movements") == 19
    assert alerts("UNEXPLAINED_MOVEMENT") == before + 5
    assert (await platform(house))["bank"] == OPENING_FLOAT - 5_000_00
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_run_goes_on_where_another_process_stopped(house: House) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await cards_settle(house)
    async with house.process("worker", sweep_interval_seconds="0.1") as process:
        await house.collection("chores").delete_one({"_id": "treasury"})

        async def both_read() -> bool:
            return await house.count("movements") == 2

        await house.until(both_read)
        process.kill()
    await paid(house, ada, 10_00)
    await cards_settle(house)

    await house.chore("treasury")

    assert await house.count("movements") == 3
    assert (await platform(house))["stripe_fees"] == -(1_03 + 59)
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ enough?


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"currency": "USD"})


async def test_an_alert_is_raised_for_as_long_as_stripe_has_less_than_could_be_withdrawn(
    house: House,
) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await cards_settle(house)
    await house.stripe.control("/float", {"currency": "usd", "amount": 24_99})
    before = alerts("STRIPE_BALANCE_LOW")

    await house.chore("treasury")
    assert alerts("STRIPE_BALANCE_LOW") == before + 1
    assert (gauge("jobsphere_stripe_available"), gauge("jobsphere_withdrawable")) == (24_99, 25_00)
    await house.chore("treasury")
    assert alerts("STRIPE_BALANCE_LOW") == before + 2

    await house.stripe.control("/float", {"currency": "usd", "amount": 25_00})
    await house.chore("treasury")
    assert alerts("STRIPE_BALANCE_LOW") == before + 2
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_is_frozen_or_owed_cannot_be_withdrawn(house: House) -> None:
    wallets = house.collection("wallets")
    for number, change in enumerate(
        ({"available": 5_00}, {"available": 7_00, "freezes": [{"cause": "ADMIN"}]}, {"available": -9_00})
    ):
        wallet = await ledger.open_wallet(f"usr_{number}", "USD")
        await wallets.update_one({"_id": wallet.id}, {"$set": change})
    assert await ledger.withdrawable() == {"USD": 5_00}


# ------------------------------------------------------------------ snapshots


async def test_balances_are_the_same_over_a_snapshot(house: House) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await cards_settle(house)
    await house.chore("treasury")
    before = await platform(house)

    await ledger.cut_snapshot(house.clock() + SETTLED)

    [snapshot] = await house.collection("balance_snapshots").find({}).to_list()
    assert {row["account"]: row["amount"] for row in snapshot["balances"]} == {
        f"platform:{account}": amount for account, amount in before.items()
    }
    assert await platform(house) == before
    await paid(house, ada, 10_00)
    await cards_settle(house)
    await house.chore("treasury")
    assert (await platform(house))["stripe_fees"] == -(1_03 + 59)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_snapshot_builds_on_the_one_before_and_never_goes_back(house: House) -> None:
    ada = await house.customer()
    cuts = []
    for amount in (25_00, 10_00, 5_00):
        await paid(house, ada, amount)
        cuts.append(house.clock() + SETTLED)
        await ledger.cut_snapshot(cuts[-1])
    await asyncio.gather(*(ledger.cut_snapshot(cut) for cut in cuts))

    [snapshot] = await house.collection("balance_snapshots").find({}).to_list()
    [row] = snapshot["balances"]
    assert (row["account"], row["amount"]) == ("platform:stripe", -40_00)
    assert await house.ledger_is_sound()


async def test_the_chore_cuts_five_minutes_in_the_past(house: House) -> None:
    await house.chore("treasury")
    [snapshot] = await house.collection("balance_snapshots").find({}).to_list()
    cut = made_at("ent", snapshot["_id"])
    assert timedelta(minutes=5) <= house.clock() - cut < timedelta(minutes=6)
    assert snapshot["balances"] == []


async def test_a_snapshot_that_was_tampered_with_is_found(house: House) -> None:
    ada = await house.customer()
    await paid(house, ada, 25_00)
    await ledger.cut_snapshot(house.clock() + SETTLED)
    await house.collection("balance_snapshots").update_one({}, {"$inc": {"balances.0.amount": 1}})
    [violation] = (await house.report()).violations
    assert violation.invariant == "3 snapshot is the sum of its entries"
