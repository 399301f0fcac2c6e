"""Whatever goes wrong at Stripe while money goes back: in the end there is one refund, or the money back.

The schedule, the keys and the doubt are the machinery's, which withdrawals' tests hold to its promises.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain import refunds
from tests.house import House, Person
from tests.house.refunds import (
    REFUNDS,
    ask_of_refund,
    at_stripe,
    go_on,
    paid,
    present,
    refunds_of,
    stored,
    work,
)
from tests.house.sandbox import FAULTS, TIMEOUTS
from tests.house.withdrawals import alerts, another_line, money

NOT_DONE = ["rate_limit_429", "lock_timeout_429", "error_401", "error_403"]
# The SDK repeats what only reads twice, but not on a word of Stripe's against that.
READS = 3
NOT_REPEATED = {"rate_limit_429", "error_400", "error_401", "error_403"}


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin()


@pytest.fixture
async def deposit(house: House, ada: Person) -> dict[str, Any]:
    """50.00 that were paid; of what follows Stripe tells nothing."""
    deposit = await paid(house, ada, 50_00)
    await house.caught_up()
    await house.stripe.webhooks(drop=1)
    return deposit


@pytest.fixture
async def idle(house: House, deposit: dict[str, Any]) -> AsyncIterator[House]:
    """Without a worker: the test does what is due."""
    async with house.worker_away():
        yield house


async def refunded_once(house: House, person: Person, refund: dict[str, Any]) -> None:
    """20.00 of 50.00 are back on the card, by the one refund there is, and the books say so."""
    row = await stored(house, refund)
    [made] = await at_stripe(house)
    assert (row["status"], row["sent"]["id"], row["sent"]["booked"]) == (
        "SUCCEEDED",
        made["id"],
        "hold_settled",
    )
    assert (made["amount"], made["metadata"]["refund_id"]) == (20_00, refund["id"])
    assert (row["attempt"], row["lease_until"], row["next_attempt_at"]) == (None, None, None)
    assert await money(house, person) == (30_00, 0)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


async def nothing_left(house: House, person: Person, refund: dict[str, Any], code: str) -> None:
    row = await stored(house, refund)
    assert (row["status"], row["failure"]["code"], row["sent"]) == ("FAILED", code, None)
    assert (await at_stripe(house), await money(house, person)) == ([], (50_00, 0))
    assert await house.ledger_is_sound(asking_stripe=True)


async def in_review(house: House, admin: Person, deposit: dict[str, Any]) -> dict[str, Any]:
    """A refund of which nobody knows whether it was made, and nobody will find out by asking; it was not."""
    refund = await refunds_of(admin, deposit, 20_00)
    hurried = house.with_policy(retry_delays=())
    await house.stripe.fault("POST", REFUNDS, "reset_before_commit")
    await work(house, hurried)
    while (await stored(house, refund))["status"] != "NEEDS_REVIEW":
        await go_on(house, refund, hurried)
    return refund


@pytest.mark.parametrize("fault", [*FAULTS, "error_403"])
async def test_whatever_becomes_of_the_question_it_is_refunded_once(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any], fault: str
) -> None:
    refund = await refunds_of(edith, deposit, 20_00)
    await idle.stripe.fault("POST", REFUNDS, fault)
    await work(idle)
    doubt = "RETRYING" if fault in NOT_DONE else "UNCONFIRMED"
    waiting = await present(ada, refund)
    assert (waiting["status"], waiting["waitingFor"]["code"]) == (
        doubt,
        "RETRY" if fault in NOT_DONE else "CONFIRMATION",
    )
    assert await money(idle, ada) == (30_00, 20_00)
    assert await idle.ledger_is_sound()
    assert await go_on(idle, refund) == "SUCCEEDED"
    await refunded_once(idle, ada, refund)


async def test_a_question_that_is_never_answered_is_answered_later(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    asked = [await refunds_of(edith, deposit, 20_00) for _ in TIMEOUTS]
    for fault in TIMEOUTS:
        await idle.stripe.fault("POST", REFUNDS, fault)
    async with another_line(idle, timeout_s=0.3) as runtime:
        await asyncio.gather(*(refunds.go_on(runtime, one["id"]) for one in asked))
    for refund in asked:
        # Stripe may still be at it: "in use", and once more later.
        while (await stored(idle, refund))["status"] != "SUCCEEDED":
            await go_on(idle, refund)
    made = await at_stripe(idle)
    assert sorted(one["metadata"]["refund_id"] for one in made) == sorted(one["id"] for one in asked)
    assert await money(idle, ada) == (10_00, 0)
    await idle.chore("treasury")
    assert await idle.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("made", ["before", "after"])
@pytest.mark.parametrize("fault", ["error_503", "truncate_after_commit", *sorted(NOT_REPEATED)])
async def test_whatever_becomes_of_lookups_they_decide_nothing(
    idle: House, edith: Person, deposit: dict[str, Any], fault: str, made: str
) -> None:
    """The key is too old to be sent, and only Stripe's list can tell."""
    refund = await refunds_of(edith, deposit, 20_00)
    await idle.stripe.fault("POST", REFUNDS, f"reset_{made}_commit")
    await work(idle)
    await idle.time_passes(hours=23, minutes=30)
    times = 1 if fault in NOT_REPEATED else READS
    await idle.stripe.fault("GET", REFUNDS, fault, times=times, code="resource_missing")
    await work(idle)
    assert (await stored(idle, refund))["status"] == "UNCONFIRMED"
    assert (await stored(idle, refund))["sent"] is None
    while (await stored(idle, refund))["status"] in {"UNCONFIRMED", "RETRYING"}:
        await go_on(idle, refund)
    [sent] = await at_stripe(idle)
    row = await stored(idle, refund)
    assert (row["status"], row["sent"]["id"], row["key_number"]) == (
        "SUCCEEDED",
        sent["id"],
        1 if made == "after" else 2,
    )
    await idle.chore("treasury")
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_what_is_pending_is_read_though_no_event_comes_and_reads_fail(
    idle: House, ada: Person, edith: Person
) -> None:
    await idle.stripe.webhooks()
    deposit = await ada.deposits(usd=50_00)
    await idle.start_worker()
    await idle.pay(deposit, "pm_card_pendingRefund")
    await idle.settled(ada, deposit)
    await idle.caught_up()
    await idle.stop_worker()
    await idle.stripe.webhooks(drop=1)
    refund = await refunds_of(edith, deposit, 20_00)
    await work(idle)
    for fault in [*FAULTS, "error_403"]:
        times = 1 if fault in NOT_REPEATED else READS
        await idle.stripe.fault("GET", f"{REFUNDS}/*", fault, times=times)
    while (await idle.stripe.state())["faults"]:
        assert await go_on(idle, refund) == "PROCESSING"
        assert (await stored(idle, refund))["sent"] is not None
    await idle.time_passes(days=2)
    assert await go_on(idle, refund) == "SUCCEEDED"
    assert await money(idle, ada) == (80_00, 0)
    await idle.chore("treasury")
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_not_done_three_times_again_and_the_money_is_back(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await refunds_of(edith, deposit, 20_00)
    await idle.stripe.fault("POST", REFUNDS, "rate_limit_429", times=4)
    await work(idle)
    assert [await go_on(idle, refund) for _ in range(3)] == ["RETRYING", "RETRYING", "FAILED"]
    await nothing_left(idle, ada, refund, "provider_unavailable")
    await ada.refresh()
    assert (await present(ada, refund))["deposit"]["refundable"]["amount"] == 50_00


async def test_the_platform_s_balance_may_not_cover_it_yet(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await refunds_of(edith, deposit, 20_00)
    await idle.stripe.fault("POST", REFUNDS, "error_400", code="balance_insufficient")
    await work(idle)
    waiting = await present(ada, refund)
    assert (waiting["status"], waiting["waitingFor"]["code"]) == ("RETRYING", "FUNDS_AVAILABLE")
    assert await go_on(idle, refund) == "SUCCEEDED"
    await refunded_once(idle, ada, refund)


async def test_found_at_stripe_after_the_money_was_given_back(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """Somebody made it by hand, with our id: a fact, whatever we had decided."""
    found = await alerts(idle, "REFUND_FOUND_SENT")
    refund = await refunds_of(edith, deposit, 20_00)
    await ask_of_refund(edith, "cancelRefund", id=refund["id"])
    by_hand = {
        "payment_intent": deposit["intent"],
        "amount": "2000",
        "metadata[refund_id]": refund["id"],
    }
    await idle.stripe.request("POST", REFUNDS, by_hand)
    for _ in range(2):
        await idle.chore("treasury")
    row = await stored(idle, refund)
    assert (row["status"], row["sent"]["booked"]) == ("SUCCEEDED", "found_sent")
    assert await alerts(idle, "REFUND_FOUND_SENT") == found + 1
    assert await money(idle, ada) == (30_00, 0)
    # A second one with the same id is nobody's wish: it is one of its own.
    await idle.stripe.request("POST", REFUNDS, by_hand | {"amount": "1000"})
    await idle.chore("treasury")
    rows = await idle.collection("refunds").find({}).sort("_id", 1).to_list()
    assert [(one["origin"], one["status"], one["amount"]) for one in rows] == [
        ("PRODUCT", "SUCCEEDED", 20_00),
        ("STRIPE", "SUCCEEDED", 10_00),
    ]
    assert await money(idle, ada) == (20_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_whoever_adopts_it_at_once_makes_one_of_it(
    idle: House, ada: Person, deposit: dict[str, Any]
) -> None:
    by_hand = {"payment_intent": deposit["intent"], "amount": "2000"}
    made = await idle.stripe.request("POST", REFUNDS, by_hand)
    booked = await asyncio.gather(*(refunds.booking_of_refund(idle.runtime, made["id"]) for _ in range(8)))
    assert len({booking.entry for booking in booked if booking is not None}) == 1
    assert None not in booked
    assert await idle.count("refunds") == 1
    assert await money(idle, ada) == (30_00, 0)
    assert await idle.ledger_is_sound()


# ------------------------------------------------------------------ a person decides


async def test_in_review_it_is_never_decided_as_not_sent_while_its_key_may_still_do_it(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await in_review(idle, edith, deposit)
    command = {"id": refund["id"], "outcome": "NOT_SENT", "reason": "the bank knows nothing."}
    refused = await ask_of_refund(edith, "resolveRefund", **command)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("INVALID_STATE", ["id"])]
    assert await money(idle, ada) == (30_00, 20_00)
    await idle.time_passes(hours=24)
    await edith.refresh()
    for _ in range(2):
        resolved = await ask_of_refund(edith, "resolveRefund", **command)
        assert (resolved["userErrors"], resolved["refund"]["status"]) == ([], "FAILED")
    await nothing_left(idle, ada, refund, "not_sent")
    assert await idle.count("audit_records", act="REFUND_RESOLVED") == 1


async def test_in_review_the_refund_that_was_made_is_named_and_verified(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    refund = await in_review(idle, edith, deposit)
    other = await idle.stripe.request("POST", REFUNDS, {"payment_intent": deposit["intent"], "amount": "500"})
    command = {"id": refund["id"], "outcome": "SENT", "reason": "seen at Stripe."}
    for named, path in [
        ({}, "refundId"),
        ({"refundId": "re_none"}, "refundId"),
        ({"refundId": "re_" + "x" * 300_000}, "refundId"),
        ({"refundId": "../balance"}, "refundId"),
        ({"refundId": other["id"]}, "refundId"),
    ]:
        refused = await ask_of_refund(edith, "resolveRefund", **command, **named)
        assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [
            ("INVALID_INPUT", [path])
        ]
    made = await idle.stripe.request("POST", REFUNDS, {"payment_intent": deposit["intent"], "amount": "2000"})
    for _ in range(2):
        resolved = await ask_of_refund(edith, "resolveRefund", **command, refundId=made["id"])
        assert (resolved["userErrors"], resolved["refund"]["status"]) == ([], "SUCCEEDED")
    await idle.chore("treasury")
    assert await money(idle, ada) == (25_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("dies_after", [1, 2, 3, 4])
async def test_a_worker_may_die_between_any_two_steps(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any], dies_after: int
) -> None:
    """Each transaction, and the question itself, is a step: the next worker goes on from there."""
    refund = await refunds_of(edith, deposit, 20_00)
    steps = 0
    transact, create = idle.runtime.database.transact, idle.runtime.gateway.create_refund

    def counted(step: Any) -> Any:
        async def run(*args: Any, **named: Any) -> Any:
            nonlocal steps
            answer = await step(*args, **named)
            steps += 1
            if steps == dies_after:
                raise asyncio.CancelledError
            return answer

        return run

    idle.runtime.database.transact = counted(transact)  # type: ignore[method-assign]
    idle.runtime.gateway.create_refund = counted(create)  # type: ignore[method-assign]
    try:
        await work(idle)
    except asyncio.CancelledError:
        pass
    finally:
        idle.runtime.database.transact = transact  # type: ignore[method-assign]
        idle.runtime.gateway.create_refund = create  # type: ignore[method-assign]
    await idle.time_passes(minutes=1)
    while (await stored(idle, refund))["status"] != "SUCCEEDED":
        await go_on(idle, refund)
    await refunded_once(idle, ada, refund)
