"""The circuit: while Stripe is down nobody waits for it, and when it is back, what waited is done."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import structlog
from ulid import ULID

from domain.gateway import (
    Attempt,
    CircuitOpen,
    NotDone,
    StripeGateway,
    StripeTrouble,
    Unknown,
    ask,
)
from domain.gateway.circuit import Circuit
from tests.house import House, Person

CUSTOMERS, INTENTS, BALANCE = "/v1/customers", "/v1/payment_intents", "/v1/balance"
FAILURES = 3
FOR_EVER, A_MOMENT = 600.0, 0.2
OUTAGES = [
    "reset_before_commit",
    "reset_after_commit",
    "timeout_before_commit",
    "timeout_after_commit",
    "truncate_after_commit",
    "error_500_before_commit",
    "error_500_after_commit",
    "error_503",
]
ANSWERS = ["rate_limit_429", "lock_timeout_429", "conflict_409", "error_400", "error_401"]
DECLINED = {
    "amount": 1_00,
    "currency": "usd",
    "confirm": True,
    "payment_method": "pm_card_chargeDeclined",
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}
READS = """{ me { id deposits { edges { node { id status } } } }
    wallet { available { amount } incoming { amount } transactions { edges { node { id } } } } }"""


def an_attempt(house: House, parameters: dict[str, Any] | None = None) -> Attempt:
    """Under a key of its own."""
    parameters = {"name": "nobody"} if parameters is None else parameters
    return Attempt.make(f"test:{ULID()}", parameters, cipher=house.runtime.cipher, now=house.clock())


async def trouble_of(house: House, attempt: Attempt | None = None) -> StripeTrouble | None:
    """What comes of one call, which makes a Customer; None when it went well."""
    lease_until = house.clock() + timedelta(minutes=1)
    try:
        await house.runtime.gateway.create_customer(attempt or an_attempt(house), lease_until=lease_until)
    except StripeTrouble as trouble:
        return trouble
    return None


async def asked(house: House, method: str, path: str) -> int:
    """How many such requests have reached Stripe."""
    requests = (await house.stripe.state())["requests"]
    return [(request["method"], request["path"]) for request in requests].count((method, path))


async def metric(house: House, name: str) -> float:
    text = (await house.http.get(f"{house.url}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


@asynccontextmanager
async def open_circuit(house: House, open_s: float = FOR_EVER) -> AsyncIterator[StripeGateway]:
    """The house with its circuit opened a moment ago, by calls that Stripe did not even begin to execute."""
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=open_s) as gateway:
        await house.stripe.fault("POST", CUSTOMERS, "error_503", times=FAILURES)
        for _ in range(FAILURES):
            assert isinstance(await trouble_of(house), Unknown)
        yield gateway


async def closed(house: House) -> None:
    """Once calls pass again."""

    async def passes() -> bool:
        try:
            house.runtime.gateway.check_circuit()
        except CircuitOpen:
            return False
        return True

    await house.until(passes)


async def stored(house: House, name: str, subject: str) -> dict[str, Any]:
    row: dict[str, Any] = await house.collection(name).find_one({"_id": subject})
    return row


def is_unavailable(payload: dict[str, Any]) -> bool:
    [error] = payload["userErrors"]
    assert payload["deposit"]["status"] == "REQUIRES_PAYMENT"
    return (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_PROVIDER_UNAVAILABLE")


# ------------------------------------------------------------------ what opens it


@pytest.mark.parametrize("fault", OUTAGES)
async def test_no_answer_of_stripes_opens_it(house: House, fault: str) -> None:
    timeout_s = 0.3 if fault.startswith("timeout") else 5
    async with house.with_gateway(
        circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER, stripe_timeout_seconds=timeout_s
    ):
        await house.stripe.fault("POST", CUSTOMERS, fault, times=99)
        troubles = [await trouble_of(house) for _ in range(FAILURES + 2)]

    assert [type(trouble) for trouble in troubles] == [Unknown] * FAILURES + [CircuitOpen] * 2
    assert await asked(house, "POST", CUSTOMERS) == FAILURES


async def test_somebody_elses_answer_opens_it(house: House) -> None:
    """A proxy's page, say: whoever speaks there does not speak as Stripe does."""
    async with house.with_gateway(
        circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER, stripe_api_base=house.url
    ):
        troubles = [await trouble_of(house) for _ in range(FAILURES + 1)]

    assert [type(trouble) for trouble in troubles] == [Unknown] * FAILURES + [CircuitOpen]


async def test_nobody_at_stripes_address_opens_it(house: House) -> None:
    async with house.with_gateway(
        circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER, stripe_api_base="http://127.0.0.1:1"
    ):
        troubles = [await trouble_of(house) for _ in range(FAILURES + 1)]

    assert [type(trouble) for trouble in troubles] == [NotDone] * FAILURES + [CircuitOpen]


@pytest.mark.parametrize("fault", ANSWERS)
async def test_an_answer_does_not_open_it_whatever_it_says(house: House, fault: str) -> None:
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER):
        await house.stripe.fault("POST", CUSTOMERS, fault, times=99, code="email_invalid")
        troubles = [await trouble_of(house) for _ in range(2 * FAILURES)]

    assert None not in troubles
    assert CircuitOpen not in {type(trouble) for trouble in troubles}
    assert await asked(house, "POST", CUSTOMERS) == 2 * FAILURES


async def test_declined_cards_do_not_open_it(house: House) -> None:
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER) as gateway:
        for _ in range(2 * FAILURES):
            intent = await gateway.create_payment_intent(
                an_attempt(house, DECLINED), lease_until=house.clock() + timedelta(minutes=1)
            )
            assert intent.last_error is not None


async def test_an_old_failure_that_stripe_repeats_does_not_open_it(house: House) -> None:
    """It is kept under the key: Stripe is well."""
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER):
        await house.stripe.fault("POST", CUSTOMERS, "error_500_after_commit")
        attempt = an_attempt(house)
        troubles = [await trouble_of(house, attempt) for _ in range(2 * FAILURES)]

    assert [getattr(trouble, "replayed", None) for trouble in troubles] == [False] + [True] * 5


@pytest.mark.parametrize("refused", [False, True])
async def test_failures_count_only_in_a_row(house: House, refused: bool) -> None:
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER):
        for _ in range(3):
            await house.stripe.fault("POST", CUSTOMERS, "error_503", times=FAILURES - 1)
            if refused:
                await house.stripe.fault("POST", CUSTOMERS, "error_400", code="email_invalid")
            for _ in range(FAILURES):
                assert not isinstance(await trouble_of(house), CircuitOpen)
        assert await trouble_of(house) is None


async def test_a_call_that_was_cancelled_is_neither_a_failure_nor_an_answer(house: House) -> None:
    async def cut_off(number: int) -> None:
        call = asyncio.create_task(trouble_of(house))

        async def has_arrived() -> bool:
            return await asked(house, "POST", CUSTOMERS) == number

        await house.until(has_arrived)
        call.cancel()
        assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)

    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER):
        await house.stripe.fault("POST", CUSTOMERS, "latency", times=FAILURES, latency_ms=2_000)
        for number in range(1, FAILURES + 1):
            await cut_off(number)
        assert await trouble_of(house) is None

        await house.stripe.fault("POST", CUSTOMERS, "error_503", times=FAILURES - 1)
        for _ in range(FAILURES - 1):
            await trouble_of(house)
        await house.stripe.fault("POST", CUSTOMERS, "latency", latency_ms=2_000)
        await cut_off(await asked(house, "POST", CUSTOMERS) + 1)
        await house.stripe.fault("POST", CUSTOMERS, "error_503")
        await trouble_of(house)
        assert isinstance(await trouble_of(house), CircuitOpen)


# ------------------------------------------------------------------ while it is open


async def test_a_deposit_is_written_and_its_maker_told_at_once(house: House) -> None:
    """Also for people of whom Stripe has never heard."""
    known, *strangers = [await house.customer(name) for name in ("ada", "grace", "charles", "mary", "george")]
    await known.deposits(usd=1_00)
    seconds = []
    async with open_circuit(house):
        before = await asked(house, "POST", CUSTOMERS)
        for person in (known, *strangers) * 2:
            started = time.perf_counter()
            payload = await person.create_deposit(25_00)
            seconds.append(time.perf_counter() - started)
            assert is_unavailable(payload)
            assert payload["deposit"]["waitingFor"]["code"] == "PAYMENT_PROVIDER"

    assert max(seconds) < 0.5
    assert statistics.median(seconds) < 0.1
    assert await asked(house, "POST", CUSTOMERS) == before
    assert await asked(house, "POST", INTENTS) == 1
    assert await house.count("deposits") == 1 + 10
    # What was not sent is not marked as sent.
    for name, answer in (("customers", "stripe_id"), ("deposits", "payment_intent_id")):
        assert await house.count(name, **{answer: None, "attempt.unknown": True}) == 0
        assert await house.count(name, **{answer: None, "lease_until": {"$ne": None}}) == 0


async def test_a_hundred_who_race_are_told_at_once(house: House) -> None:
    ada = await house.customer()
    async with open_circuit(house):
        async with asyncio.timeout(5):
            payloads = await asyncio.gather(*(ada.create_deposit(25_00, key="rent") for _ in range(100)))

    assert all(is_unavailable(payload) for payload in payloads)
    assert len({payload["deposit"]["id"] for payload in payloads}) == 1


async def test_reads_go_on(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)

    async with open_circuit(house):
        answer = await ada.data(READS)
        assert answer["wallet"]["available"]["amount"] == 25_00
        [edge] = answer["me"]["deposits"]["edges"]
        assert edge["node"] == {"id": deposit["id"], "status": "SUCCEEDED"}
        assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
        assert len(answer["wallet"]["transactions"]["edges"]) == 1


async def test_money_that_stripe_received_is_credited(house: House) -> None:
    """A success is believed from its event: nothing of Stripe's needs to be read for it."""
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    async with open_circuit(house):
        await house.pay(deposit)
        await house.settled(ada, deposit)
        assert await ada.available() == 25_00


async def test_a_key_that_was_unknown_stays_so_and_a_new_one_does_not_become_it(house: House) -> None:
    ada, grace = await house.customer(), await house.customer("grace")
    await grace.deposits(usd=1_00)
    await house.stop_worker()
    await house.stripe.fault("POST", CUSTOMERS, "reset_after_commit")
    assert is_unavailable(await ada.create_deposit(25_00, key="rent"))

    async with open_circuit(house):
        await house.stop_worker()
        assert is_unavailable(await ada.create_deposit(25_00, key="rent"))
        assert (await stored(house, "customers", ada.id))["attempt"]["unknown"] is True
        fresh = (await grace.create_deposit(25_00, key="rent"))["deposit"]
        assert (await stored(house, "deposits", fresh["id"]))["attempt"]["unknown"] is False

    payload = await ada.create_deposit(25_00, key="rent")
    assert payload["userErrors"] == []
    customers = await house.stripe.objects("customer")
    assert [one["metadata"]["user_id"] for one in customers].count(ada.id) == 1


@pytest.mark.parametrize("unknown", [False, True])
async def test_a_circuit_that_opens_on_the_way_leaves_the_mark_as_it_was(house: House, unknown: bool) -> None:
    ada = await house.customer()
    async with open_circuit(house) as gateway:
        await house.stop_worker()
        await ada.create_deposit(25_00)
        before = {"$set": {"attempt.unknown": unknown}}
        await house.collection("customers").update_one({"_id": ada.id}, before)

        async def send(attempt: Attempt, lease_until: Any) -> str:
            marked = await stored(house, "customers", ada.id)
            assert marked["attempt"]["unknown"] is True
            return await gateway.create_customer(attempt, lease_until=lease_until)

        with pytest.raises(CircuitOpen):
            await ask(
                house.collection("customers"),
                ada.id,
                answer_field="stripe_id",
                send=send,
                find=nothing,
                check_circuit=lambda: None,
                now=house.clock,
                lease=timedelta(minutes=1),
                lookup_wait=timedelta(minutes=1),
            )

        customer = await stored(house, "customers", ada.id)
        assert (customer["attempt"]["unknown"], customer["lease_until"]) == (unknown, None)


async def nothing(_attempt: Attempt) -> None:
    return None


async def test_what_waits_for_its_turn_does_not_go_out_any_more(house: House) -> None:
    """Racing calls, one at a time: the first failures spare the others."""
    async with house.with_gateway(
        circuit_failures=1, circuit_open_seconds=FOR_EVER, stripe_requests_per_second=1
    ):
        await house.stripe.fault("POST", CUSTOMERS, "error_503", times=99)
        troubles = await asyncio.gather(*(trouble_of(house) for _ in range(3)))
        # And who comes now does not even wait for a turn.
        started = time.perf_counter()
        assert {type(await trouble_of(house)) for _ in range(5)} == {CircuitOpen}
        assert time.perf_counter() - started < 0.5

    assert sorted(type(trouble).__name__ for trouble in troubles) == ["CircuitOpen", "CircuitOpen", "Unknown"]
    assert await asked(house, "POST", CUSTOMERS) == 1


# ------------------------------------------------------------------ and after


async def test_it_closes_when_stripe_is_back_though_nobody_asks(house: House) -> None:
    opened = 'jobsphere_alerts_total{code="STRIPE_CIRCUIT_OPEN"}'
    alerts = await metric(house, opened)
    async with open_circuit(house, A_MOMENT):
        assert await metric(house, opened) == alerts + 1
        assert await metric(house, 'jobsphere_stripe_circuit{state="open"}') == 1

        others = await metric(house, 'jobsphere_stripe_circuit{state="closed"}')
        await closed(house)

        assert await metric(house, 'jobsphere_stripe_circuit{state="open"}') == 0
        assert await metric(house, 'jobsphere_stripe_circuit{state="closed"}') == others + 1
        assert await asked(house, "GET", BALANCE) == 1
        assert await trouble_of(house) is None


async def test_a_failed_probe_is_another_pause_and_no_other_alert(house: House) -> None:
    opened = 'jobsphere_alerts_total{code="STRIPE_CIRCUIT_OPEN"}'
    alerts = await metric(house, opened)
    await house.stripe.fault("GET", BALANCE, "error_503", times=2)
    async with open_circuit(house, A_MOMENT):
        await closed(house)
        assert await asked(house, "GET", BALANCE) == 3
        assert await metric(house, opened) == alerts + 1


@pytest.mark.parametrize("fault", ["rate_limit_429", "error_401"])
async def test_a_refused_probe_is_an_answer(house: House, fault: str) -> None:
    await house.stripe.fault("GET", BALANCE, fault)
    async with open_circuit(house, A_MOMENT):
        await closed(house)
        assert await asked(house, "GET", BALANCE) == 1


async def test_one_probes_and_nobody_waits_for_it(house: House) -> None:
    ada = await house.customer()
    await house.stripe.fault("GET", BALANCE, "latency", latency_ms=2_000)
    async with open_circuit(house, A_MOMENT):

        async def probing() -> bool:
            return await metric(house, 'jobsphere_stripe_circuit{state="half-open"}') == 1

        await house.until(probing)
        posts = await asked(house, "POST", CUSTOMERS)
        started = time.perf_counter()
        troubles = await asyncio.gather(*(trouble_of(house) for _ in range(20)))
        payloads = await asyncio.gather(*(ada.create_deposit(25_00) for _ in range(5)))
        assert time.perf_counter() - started < 1
        assert await probing()

        assert {type(trouble) for trouble in troubles} == {CircuitOpen}
        assert all(is_unavailable(payload) for payload in payloads)
        assert await asked(house, "GET", BALANCE) == 1
        assert await asked(house, "POST", CUSTOMERS) == posts
        await closed(house)
        assert await asked(house, "GET", BALANCE) == 1


async def test_an_old_answer_does_not_close_it(house: House) -> None:
    """A call that was under way when it opened says nothing about Stripe now."""
    async with house.with_gateway(circuit_failures=FAILURES, circuit_open_seconds=FOR_EVER):
        await house.stripe.fault("POST", CUSTOMERS, "latency", latency_ms=500)
        early = asyncio.create_task(trouble_of(house))
        await house.until(lambda: asked(house, "POST", CUSTOMERS))
        await house.stripe.fault("POST", CUSTOMERS, "error_503", times=FAILURES)
        for _ in range(FAILURES):
            await trouble_of(house)

        assert await early is None
        assert isinstance(await trouble_of(house), CircuitOpen)


async def test_deposits_made_meanwhile_get_their_intents_by_themselves(house: House) -> None:
    ada, *others = people = [await house.customer(name) for name in ("ada", "grace", "charles")]
    await ada.deposits(usd=1_00)
    made: list[tuple[Person, dict[str, Any]]] = []
    async with open_circuit(house, A_MOMENT):
        for path in ("/v1/*", "/v1/*/*"):
            await house.stripe.fault("*", path, "error_503", times=100_000)
        for person in people * 3:
            payload = await person.create_deposit(25_00)
            assert is_unavailable(payload)
            made.append((person, payload["deposit"]))
        await postponed(house, [deposit["id"] for _, deposit in made])
        assert await asked(house, "POST", INTENTS) == 1

        await house.stripe.control("/faults", method="DELETE")

        ids = [deposit["id"] for _, deposit in made]
        waiting = {"_id": {"$in": ids}, "payment_intent_id": None}
        await house.until(partial(none_of, house, waiting))
        assert await asked(house, "POST", INTENTS) == 1 + len(made)

    intents = await house.stripe.objects("payment_intent")
    assert sorted(intent["metadata"]["deposit_id"] for intent in intents)[-len(ids) :] == sorted(ids)
    assert len(intents) == 1 + len(made)
    assert len(await house.stripe.objects("customer")) == len(people)
    for person, deposit in made:
        await house.pay(await person.deposit(deposit["id"]))
    for person, deposit in made:
        assert (await house.settled(person, deposit))["status"] == "SUCCEEDED"
    assert [await person.available() for person in (ada, *others)] == [75_00] * 3
    assert await house.ledger_is_sound()


async def postponed(house: House, ids: list[str]) -> None:
    """The sweep has looked at each of these deposits, more than once, and none of it counts."""
    looked = {"_id": {"$in": ids}, "attempts_made": {"$gt": 0}}
    for _ in range(2):
        house.clock.advance(minutes=2)
        due = {"_id": {"$in": ids}, "next_attempt_at": {"$lte": house.clock()}}
        for criteria in (due, looked):
            await house.until(partial(none_of, house, criteria))


async def none_of(house: House, criteria: dict[str, Any]) -> bool:
    return not await house.count("deposits", **criteria)


async def test_an_event_that_needs_stripe_waits_and_its_tries_do_not_count(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit, "pm_card_chargeDeclined")
    events = await house.stripe.objects("event")
    [event] = [event for event in events if event["type"] == "payment_intent.payment_failed"]

    async with open_circuit(house):
        assert (await house.deliver(event)).status_code == 200
        later = house.clock() + timedelta(seconds=FOR_EVER / 2)
        for tries in range(10):
            await house.until(
                lambda: house.count("webhook_events", _id=event["id"], next_attempt_at={"$gt": later})
            )
            row = await stored(house, "webhook_events", event["id"])
            assert (row["status"], row["attempts"], row["error"]) == ("PENDING", 0, None), tries
            assert row["next_attempt_at"] <= house.clock() + timedelta(seconds=FOR_EVER)
            due = {"$set": {"next_attempt_at": house.clock()}}
            await house.collection("webhook_events").update_one({"_id": event["id"]}, due)

    house.clock.advance(seconds=FOR_EVER)
    await house.reaches(ada, deposit, "FAILED")
    await house.quiet()
    row = await stored(house, "webhook_events", event["id"])
    assert (row["status"], row["attempts"]) == ("PROCESSED", 1)


async def test_a_closing_gateway_leaves_no_probe_behind(house: House) -> None:
    async with open_circuit(house, A_MOMENT):
        await house.stripe.fault("GET", BALANCE, "latency", latency_ms=300, times=99)
    tasks = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert "Circuit._heal" not in tasks
    assert await metric(house, 'jobsphere_stripe_circuit{state="open"}') == 0


# ------------------------------------------------------------------ alone


async def test_what_our_own_end_cuts_off_opens_nothing() -> None:
    """Calls that are under way then fail because the gateway is closed: no alert, and nobody to probe."""

    async def probe() -> None:
        return

    circuit = Circuit(failures=1, open_s=FOR_EVER, probe=probe)
    await circuit.close()
    tasks = asyncio.all_tasks()
    circuit.hear(outage=True)
    assert (circuit.is_open, asyncio.all_tasks()) == (False, tasks)


async def test_the_probe_is_nobodys(house: House) -> None:
    """It is asked for everybody: its log lines carry the name of none who happened to be there."""
    seen: list[dict[str, Any]] = []

    async def probe() -> None:
        seen.append(structlog.contextvars.get_contextvars())

    with structlog.contextvars.bound_contextvars(user="usr_ada"):
        circuit = Circuit(failures=1, open_s=0.01, probe=probe)
        circuit.hear(outage=True)
    await house.until(lambda: is_closed(circuit))

    assert seen == [{}]
    await circuit.close()


async def test_whatever_a_probe_raises_the_next_one_comes(house: House) -> None:
    """A mistake of ours must not leave the circuit open for ever."""
    raised: list[Exception] = [ValueError("a bug"), NotDone("not_connected", outage=True)]

    async def probe() -> None:
        if raised:
            raise raised.pop()

    circuit = Circuit(failures=1, open_s=0.01, probe=probe)
    circuit.hear(outage=True)
    await house.until(lambda: is_closed(circuit))

    assert raised == []
    await circuit.close()


async def is_closed(circuit: Circuit) -> bool:
    return not circuit.is_open
