"""Whatever goes wrong at Stripe while money goes out: in the end there is one transfer, or the money back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from domain import withdrawals
from domain.gateway import API_VERSION, StripeTrouble
from sandbox.processes import any_free_port
from tests.house import House, Person
from tests.house.sandbox import FAULTS, TIMEOUTS
from tests.house.withdrawals import (
    SECOND,
    TRANSFERS,
    alerts,
    another_line,
    given_back,
    go_on,
    in_doubt,
    keys,
    lookups,
    money,
    pause,
    sent_once,
    statuses,
    stored,
    transfer_by_hand,
    work,
)

EVENTS, ONE_TRANSFER = "/v1/events", "/v1/transfers/*"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SCHEDULE = [5 * MINUTE, 30 * MINUTE, 2 * HOUR]
# The SDK repeats what only reads twice, but not on a word of Stripe's against that.
READS = 3
NOT_REPEATED = {"rate_limit_429", "error_400", "error_401", "error_403"}
NOT_DONE = ["rate_limit_429", "lock_timeout_429", "error_401", "error_403"]
FINAL = [
    "account_closed",
    "transfers_not_allowed",
    "insufficient_capabilities_for_transfer",
    "capability_not_active",
    "resource_missing",
    "parameter_invalid_integer",
]


@pytest.fixture
async def grace(house: House) -> Person:
    """With an account that is active, and 50.00; of what follows Stripe tells nothing."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    await house.stripe.webhooks(drop=1)
    return grace


@pytest.fixture
async def idle(house: House, grace: Person) -> AsyncIterator[House]:
    """Without a worker: the test does what is due."""
    await house.stop_worker()
    yield house
    await house.start_worker()


async def fail_to_read(house: House, path: str, fault: str) -> None:
    """One read of ours fails, however often it is repeated below us."""
    times = 1 if fault in NOT_REPEATED else READS
    await house.stripe.fault("GET", path, fault, times=times, code="resource_missing")


# ------------------------------------------------------------------ every fault, at every call


@pytest.mark.parametrize("fault", [*FAULTS, "error_403"])
async def test_whatever_becomes_of_the_question_it_is_sent_once(
    idle: House, grace: Person, fault: str
) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, fault)
    await work(idle)

    doubt = "RETRYING" if fault in NOT_DONE else "UNCONFIRMED"
    assert (await stored(idle, withdrawal))["status"] == doubt
    assert await pause(idle, withdrawal) == SCHEDULE[0]
    assert await money(idle, grace) == (30_00, 20_00)
    present = await grace.withdrawal(withdrawal["id"])
    assert present["waitingFor"]["code"] == ("RETRY" if fault in NOT_DONE else "CONFIRMATION")
    assert present["waitingFor"]["until"] == present["nextAttemptAt"]
    assert await idle.ledger_is_sound()

    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    again = ["PROCESSING"] if fault in NOT_DONE else []
    assert await statuses(idle, withdrawal) == ["PENDING", "PROCESSING", doubt, *again, "IN_TRANSIT"]
    assert await keys(idle) == [1, 1]
    await sent_once(idle, grace, withdrawal)


async def test_a_question_that_is_never_answered_is_sent_once(idle: House, grace: Person) -> None:
    """All at once, for each of them waits for as long as we wait for Stripe."""
    asked = [await grace.withdraws(usd=20_00) for _ in TIMEOUTS]
    for fault in TIMEOUTS:
        await idle.stripe.fault("POST", TRANSFERS, fault)
    async with another_line(idle, timeout_s=0.3) as runtime:
        await asyncio.gather(*(withdrawals.go_on(runtime, one["id"]) for one in asked))
    for withdrawal in asked:
        assert await statuses(idle, withdrawal) == ["PENDING", "PROCESSING", "UNCONFIRMED"]
        assert await pause(idle, withdrawal) == SCHEDULE[0]
    for withdrawal in asked:
        # Stripe may still be at it: "in use", and once more later.
        while await go_on(idle, withdrawal) != "IN_TRANSIT":
            assert await money(idle, grace) != (50_00, 0)
    transfers = await idle.stripe.objects("transfer")
    assert {one["metadata"]["withdrawal_id"] for one in transfers} == {one["id"] for one in asked}
    assert (len(transfers), await money(idle, grace)) == (2, (10_00, 0))
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_whatever_becomes_of_lookups_they_decide_nothing(idle: House, grace: Person) -> None:
    """Of many whose keys are too old to be sent every other was sent; and every fault comes at every read."""
    await idle.funded(grace, usd=150_00)
    asked = [await grace.withdraws(usd=20_00) for _ in range(10)]
    for number in range(len(asked)):
        await idle.stripe.fault("POST", TRANSFERS, f"reset_{'after' if number % 2 else 'before'}_commit")
    await work(idle)
    was_sent = {one["metadata"]["withdrawal_id"] for one in await idle.stripe.objects("transfer")}
    assert len(was_sent) == len(asked) // 2

    await idle.time_passes(hours=23, minutes=30)
    for fault in [*FAULTS, "error_403", "error_400"]:
        for path in (TRANSFERS, EVENTS, ONE_TRANSFER):
            await fail_to_read(idle, path, fault)
    while (await idle.stripe.state())["faults"]:
        await asyncio.gather(*(work(idle) for _ in asked))
        assert await keys(idle) == [1] * len(asked)
        assert len(await idle.stripe.objects("transfer")) == len(was_sent)
        assert sum(await money(idle, grace)) == 200_00 - 20_00 * await idle.count(
            "withdrawals", status="IN_TRANSIT"
        )
        await idle.time_passes(minutes=5)

    # Then they are a day old, and looked for in vain twice: the others take a new key.
    while await idle.count("withdrawals", status={"$nin": ["IN_TRANSIT", "FAILED"]}):
        await idle.time_passes(minutes=5)
        await asyncio.gather(*(work(idle) for _ in asked))
    for withdrawal in asked:
        row = await stored(idle, withdrawal)
        if withdrawal["id"] in was_sent:
            assert (row["status"], row["key_number"]) == ("IN_TRANSIT", 1)
        else:
            assert row["key_number"] == 2 or row["failure"]["code"] == "provider_unavailable"
    transfers = await idle.stripe.objects("transfer")
    assert len({one["metadata"]["withdrawal_id"] for one in transfers}) == len(transfers)
    assert await money(idle, grace) == (200_00 - 20_00 * len(transfers), 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("fault", ["truncate_after_commit", *sorted(NOT_REPEATED)])
async def test_what_was_found_and_could_not_be_read_is_read_later(
    idle: House, grace: Person, fault: str
) -> None:
    """It is out, and its key tells nothing: the lookup finds it, and reads it whole before it says so."""
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, "error_500_after_commit")
    await work(idle)
    await fail_to_read(idle, ONE_TRANSFER, fault)
    assert await go_on(idle, withdrawal) == "UNCONFIRMED"
    assert await money(idle, grace) == (30_00, 20_00)
    assert (await idle.stripe.state())["faults"] == []
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    await sent_once(idle, grace, withdrawal)


async def test_every_fault_in_a_row_with_worker_and_events_at_work(house: House) -> None:
    """As it is in life: bells, the sweep and Stripe's events all at once."""
    grace = await house.funded(await house.onboarded(), usd=500_00)
    faults = [*FAULTS, "error_403"]
    sent = []
    for fault in faults:
        await house.stripe.fault("POST", TRANSFERS, fault)
        withdrawal = await grace.withdraws(usd=20_00)
        sent.append(withdrawal)
        await house.withdrawal_reaches(grace, withdrawal, "UNCONFIRMED", "RETRYING", "IN_TRANSIT")
    await house.time_passes(minutes=5)
    for withdrawal in sent:
        await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    await house.quiet()
    transfers = await house.stripe.objects("transfer")
    assert sorted(one["metadata"]["withdrawal_id"] for one in transfers) == sorted(one["id"] for one in sent)
    assert await money(house, grace) == (500_00 - 20_00 * len(faults), 0)
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ the schedule


@pytest.mark.parametrize("fault", ["rate_limit_429", "error_401"])
async def test_not_done_is_tried_three_times_again_and_then_the_money_goes_back(
    idle: House, grace: Person, fault: str
) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, fault, times=4)
    await work(idle)
    for number, delay in enumerate(SCHEDULE, start=1):
        assert await pause(idle, withdrawal) == delay
        assert await keys(idle) == [1] * number
        assert await go_on(idle, withdrawal) == ("RETRYING" if number < 3 else "FAILED")
    assert await keys(idle) == [1, 1, 1, 1]
    assert await statuses(idle, withdrawal) == [
        "PENDING",
        *(["PROCESSING", "RETRYING"] * 3),
        "PROCESSING",
        "FAILED",
    ]
    await given_back(idle, grace, withdrawal, "provider_unavailable")


@pytest.mark.parametrize("turns_up", ["listed", "told"])
async def test_unknown_is_asked_three_times_again_looked_up_twice_and_then_a_person_is_called(
    idle: House, grace: Person, turns_up: str
) -> None:
    called = await alerts(idle, "WITHDRAWAL_NEEDS_REVIEW")
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, "reset_before_commit", times=4)
    await work(idle)
    for number, delay in enumerate(SCHEDULE, start=1):
        assert await pause(idle, withdrawal) == delay
        assert (await keys(idle), await lookups(idle)) == ([1] * number, 0)
        assert await go_on(idle, withdrawal) == "UNCONFIRMED"
    # The last answer was lost, and the first look made at once.
    assert (await keys(idle), await lookups(idle)) == ([1] * 4, 1)
    assert await pause(idle, withdrawal) == MINUTE
    assert await alerts(idle, "WITHDRAWAL_NEEDS_REVIEW") == called
    assert await go_on(idle, withdrawal) == "NEEDS_REVIEW"
    assert (await keys(idle), await lookups(idle)) == ([1] * 4, 2)
    assert await pause(idle, withdrawal) == HOUR
    assert await go_on(idle, withdrawal) == "NEEDS_REVIEW"
    assert await alerts(idle, "WITHDRAWAL_NEEDS_REVIEW") == called + 1
    assert await money(idle, grace) == (30_00, 20_00)
    assert await idle.ledger_is_sound(asking_stripe=True)

    if turns_up == "told":
        await idle.stripe.webhooks(drop=0)
    await transfer_by_hand(idle, grace, withdrawal)
    if turns_up == "told":
        await idle.until(lambda: idle.count("webhook_events", type="transfer.created"))
        idle.clock.ahead += idle.runtime.policy.lease  # nobody heard the bell
        await idle.sweep()
        assert (await stored(idle, withdrawal))["history"][-1]["actor"] == "webhook"
    else:
        assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    assert await statuses(idle, withdrawal) == [
        *("PENDING", "PROCESSING", "UNCONFIRMED", "NEEDS_REVIEW", "IN_TRANSIT")
    ]
    await sent_once(idle, grace, withdrawal)


async def test_a_transfer_of_another_amount_does_not_end_the_doubt(idle: House, grace: Person) -> None:
    """It was made by hand with our id. What was asked for was not made, and the key is too old by now."""
    withdrawal = await in_doubt(idle, grace)
    await transfer_by_hand(idle, grace, withdrawal, amount=7_00)
    await idle.time_passes(hours=23, minutes=30)
    for _ in range(5):
        if (await stored(idle, withdrawal))["status"] in {"UNCONFIRMED", "RETRYING"}:
            await go_on(idle, withdrawal)
    await idle.chore("treasury")
    row = await stored(idle, withdrawal)
    assert (row["status"], row["key_number"]) == ("IN_TRANSIT", 2)
    assert sorted(sent["amount"] for sent in row["transfers"]) == [7_00, 20_00]
    assert await money(idle, grace) == (50_00 - 20_00 - 7_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_the_schedule_is_a_setting(idle: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    changed = idle.settings.model_copy(update={"retry_delays_seconds": (7.0, 11.0)})
    delays = changed.policy().retry_delays
    runtime = idle.with_policy(retry_delays=delays)
    await idle.stripe.fault("POST", TRANSFERS, "rate_limit_429", times=3)
    await work(idle, runtime)
    for seconds, status in [(7, "RETRYING"), (11, "FAILED")]:
        assert await pause(idle, withdrawal) == timedelta(seconds=seconds)
        assert await go_on(idle, withdrawal, runtime) == status
    await given_back(idle, grace, withdrawal, "provider_unavailable")


@pytest.mark.parametrize("before", ["nothing", "unknown"])
async def test_an_open_circuit_postpones_and_counts_as_nothing(
    idle: House, grace: Person, before: str
) -> None:
    if before == "unknown":
        withdrawal = await in_doubt(idle, grace)
        await idle.time_passes(minutes=5)
    else:
        withdrawal = await grace.withdraws(usd=20_00)
    was = await stored(idle, withdrawal)
    async with another_line(idle, circuit_failures=1, circuit_open_s=600.0) as runtime:
        await idle.stripe.fault("GET", "/v1/balance", "error_503", times=READS)
        with pytest.raises(StripeTrouble):
            await runtime.gateway.balance()
        for _ in range(5):  # many more than there are retries
            await work(idle, runtime)
            row = await stored(idle, withdrawal)
            assert 0 < (row["next_attempt_at"] - idle.clock()).total_seconds() <= 600
            # But for when it is due, and that somebody who looks on is told so.
            assert row == was | {name: row[name] for name in ("next_attempt_at", "version")}
            await idle.time_passes(minutes=10)
    await work(idle)
    await sent_once(idle, grace, withdrawal)
    assert set(await keys(idle)) == {1}


# ------------------------------------------------------------------ keys


UNSPEAKING = ["rate_limit_429", "error_401", "error_403", "conflict_409", "error_400_before_commit"]


@pytest.mark.parametrize("fault", UNSPEAKING)
async def test_a_key_that_was_once_unknown_stays_so(idle: House, grace: Person, fault: str) -> None:
    """None of these speaks about the first sending; account_invalid least of all."""
    withdrawal = await in_doubt(idle, grace)
    await idle.stripe.fault("POST", TRANSFERS, fault, times=2, code="account_invalid")
    while (await idle.stripe.state())["faults"]:
        assert await go_on(idle, withdrawal) == "UNCONFIRMED"
        assert (await stored(idle, withdrawal))["attempt"]["unknown"] is True
        assert await money(idle, grace) == (30_00, 20_00)
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    assert await keys(idle) == [1, 1, 1, 1]
    await sent_once(idle, grace, withdrawal)


async def test_a_key_that_was_used_for_something_else_is_never_given_up(idle: House, grace: Person) -> None:
    """Nobody can say what was done under it. Stripe says so each time; and in the end a person decides."""
    withdrawal = await grace.withdraws(usd=20_00)
    key = f"withdrawal:{withdrawal['id']}:transfer:1"
    headers = {"Stripe-Version": API_VERSION, "Idempotency-Key": key}
    await idle.stripe.http.post("/v1/customers", data={"name": "nobody"}, headers=headers)
    await work(idle)
    while (await stored(idle, withdrawal))["status"] != "NEEDS_REVIEW":
        assert await money(idle, grace) == (30_00, 20_00)
        assert await go_on(idle, withdrawal) in {"UNCONFIRMED", "NEEDS_REVIEW"}
    assert await keys(idle) == [1, 1, 1, 1]
    assert await money(idle, grace) == (30_00, 20_00)
    assert await idle.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("was_sent", [False, True])
async def test_a_refused_connection_was_certainly_not_sent(
    idle: House, grace: Person, was_sent: bool
) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    if was_sent:
        await idle.stripe.fault("POST", TRANSFERS, "reset_after_commit")
        await work(idle)
        await idle.time_passes(minutes=5)
    async with another_line(idle, api_base=f"http://127.0.0.1:{any_free_port()}") as nowhere:
        await work(idle, nowhere)
        assert (await stored(idle, withdrawal))["status"] == ("UNCONFIRMED" if was_sent else "RETRYING")
        assert await pause(idle, withdrawal) == SCHEDULE[was_sent]
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    await sent_once(idle, grace, withdrawal)


async def test_a_stored_failure_is_looked_up_twice_and_then_the_next_key_is_taken(
    idle: House, grace: Person
) -> None:
    """Stripe keeps a 500 under the key, and has done nothing: it was short of funds then."""
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.control("/float", {"currency": "usd", "amount": 5_00})
    await idle.stripe.fault("POST", TRANSFERS, "error_500_after_commit")
    await work(idle)
    await idle.stripe.control("/float", {"currency": "usd", "amount": 500_00})
    assert await go_on(idle, withdrawal) == "UNCONFIRMED"
    assert (await keys(idle), await lookups(idle)) == ([1, 1], 1)
    assert await pause(idle, withdrawal) == pytest.approx(MINUTE, abs=SECOND)
    assert await go_on(idle, withdrawal) == "RETRYING"
    assert (await keys(idle), await lookups(idle)) == ([1, 1], 2)
    assert await pause(idle, withdrawal) == SCHEDULE[1]
    assert await money(idle, grace) == (30_00, 20_00)
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    assert await keys(idle) == [1, 1, 2]
    await sent_once(idle, grace, withdrawal)


async def test_what_stays_short_of_a_stored_no_is_believed_after_two_lookups(
    idle: House, grace: Person
) -> None:
    withdrawal = await in_doubt(idle, grace)
    await idle.stripe.fault("POST", TRANSFERS, "error_400", code="account_closed")
    assert await go_on(idle, withdrawal) == "UNCONFIRMED"  # said, but not repeated yet
    assert await money(idle, grace) == (30_00, 20_00)
    assert await go_on(idle, withdrawal) == "FAILED"
    assert await keys(idle) == [1, 1, 1]
    await given_back(idle, grace, withdrawal, "account_closed")


async def test_an_old_key_is_looked_up_and_only_a_spent_one_is_followed_by_the_next(
    idle: House, grace: Person
) -> None:
    withdrawal = await in_doubt(idle, grace)
    await idle.time_passes(hours=23)
    for number, waits in [(1, MINUTE), (2, SCHEDULE[1])]:
        await work(idle)
        row = await stored(idle, withdrawal)
        assert (row["status"], await lookups(idle)) == ("UNCONFIRMED", number)
        assert await pause(idle, withdrawal) == pytest.approx(waits, abs=SECOND)
        await idle.time_passes(seconds=waits.total_seconds() + 1)
    await idle.time_passes(minutes=30)
    await work(idle)  # a day old: it was looked for in vain long before
    assert (await stored(idle, withdrawal))["status"] == "RETRYING"
    assert await keys(idle) == [1]
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    assert await keys(idle) == [1, 2]
    await sent_once(idle, grace, withdrawal)


# ------------------------------------------------------------------ refusals


async def test_a_final_no_gives_the_money_back_at_once(idle: House, grace: Person) -> None:
    for code in FINAL:
        withdrawal = await grace.withdraws(usd=20_00)
        await idle.stripe.fault("POST", TRANSFERS, "error_400", code=code)
        await work(idle)
        assert await statuses(idle, withdrawal) == ["PENDING", "PROCESSING", "FAILED"]
        await given_back(idle, grace, withdrawal, code)
    assert await keys(idle) == [1] * len(FINAL)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("deauthorized", "resource_missing"), ("rejected", "insufficient_capabilities_for_transfer")],
)
async def test_an_account_that_was_lost_unknown_to_us_holds_no_money_back(
    idle: House, grace: Person, outcome: str, code: str
) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.control(f"/accounts/{await idle.acct(grace)}/onboard", {"outcome": outcome})
    await work(idle)
    await given_back(idle, grace, withdrawal, code)


async def test_a_403_about_the_account_alone_is_a_final_no(idle: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, "error_403", code="account_invalid")
    await work(idle)
    await given_back(idle, grace, withdrawal, "account_invalid")


async def test_an_account_lost_while_in_doubt_does_not_undo_what_was_sent(idle: House, grace: Person) -> None:
    """Stripe refuses to send it again, and to list it: neither says that it was not sent."""
    withdrawal = await grace.withdraws(usd=20_00)
    await idle.stripe.fault("POST", TRANSFERS, "error_500_after_commit")
    await work(idle)
    await idle.stripe.control(f"/accounts/{await idle.acct(grace)}/onboard", {"outcome": "deauthorized"})
    await fail_to_read(idle, TRANSFERS, "error_400")
    assert await go_on(idle, withdrawal) == "UNCONFIRMED"
    assert await money(idle, grace) == (30_00, 20_00)
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    await sent_once(idle, grace, withdrawal)


async def test_without_funds_it_waits_hourly_uncounted_and_one_alert_is_raised_after_a_day(
    idle: House, grace: Person
) -> None:
    called = await alerts(idle, "WITHDRAWAL_WAITS_FOR_FUNDS")
    await idle.stripe.control("/float", {"currency": "usd", "amount": 5_00})
    withdrawal = await grace.withdraws(usd=20_00)
    await work(idle)
    for hours in range(26):
        row = await stored(idle, withdrawal)
        assert (row["status"], row["retries"], row["attempt"]) == ("RETRYING", 0, None)
        assert await pause(idle, withdrawal) == HOUR
        assert await alerts(idle, "WITHDRAWAL_WAITS_FOR_FUNDS") == called + (hours >= 24)
        await idle.time_passes(hours=1)
        await work(idle)
    assert await keys(idle) == list(range(1, 28))
    assert await money(idle, grace) == (30_00, 20_00)
    await idle.stripe.control("/float", {"currency": "usd", "amount": 500_00})
    assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    await sent_once(idle, grace, withdrawal)


async def test_it_says_when_funds_come_and_goes_when_stripe_says_that_they_came(house: House) -> None:
    ada, grace = await house.customer(), await house.funded(await house.onboarded(), usd=50_00)
    await house.stripe.control("/float", {"currency": "usd", "amount": 5_00})
    deposit = await ada.deposits(usd=100_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await house.time_passes(hours=1)  # until Stripe has booked it
    await grace.refresh()
    [charge] = [one for one in await house.stripe.objects("balance_transaction") if one["type"] == "charge"]

    withdrawal = await grace.withdraws(usd=20_00)
    present = await house.withdrawal_reaches(grace, withdrawal, "RETRYING")
    row = await stored(house, withdrawal)
    assert present["waitingFor"]["code"] == "FUNDS_AVAILABLE"
    assert row["expected_at"].timestamp() == charge["available_on"]
    assert datetime.fromisoformat(present["waitingFor"]["until"]) == row["expected_at"]
    # Far from its hour: it is the event that wakes it.
    await house.collection("withdrawals").update_one(
        {"_id": withdrawal["id"]}, {"$set": {"next_attempt_at": row["expected_at"] + HOUR}}
    )
    await house.time_passes(seconds=charge["available_on"] - house.clock().timestamp() + 1)
    assert await house.until(lambda: house.count("withdrawals", status="IN_TRANSIT"))
    await house.quiet()
    await sent_once(house, grace, withdrawal)
