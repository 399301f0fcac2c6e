"""What went wrong in the product before this one: each fault by its name, so that it never comes back."""

import asyncio
from typing import Any

import orjson
import pytest
from bson import Decimal128

from domain import withdrawals
from domain.runtime import Policy
from jobs import Sweep
from tests.house import House, Person, intent_of

EVERYTHING = """
{
  me { id createdAt deposits { edges { node { id amount { amount display } received { amount } } } } }
  wallets {
    available { amount display } held { amount } incoming { amount }
    transactions { edges { node {
      sequence amount { amount } heldDelta { amount } availableAfter { amount } heldAfter { amount }
    } } }
  }
}
"""


async def event_of(house: House, deposit: dict[str, Any]) -> dict[str, Any]:
    """The inbox's event that says this deposit was paid."""

    async def there() -> Any:
        criteria = {"object_id": intent_of(deposit), "type": "payment_intent.succeeded"}
        return await house.collection("webhook_events").find_one(criteria)

    event: dict[str, Any] = await house.until(there)
    return event


async def test_double_credit_on_a_repeated_event(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(duplicate=10, shuffle=True)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await house.stripe.redeliver_last(times=10)
    await house.stripe.control(f"/events/{(await event_of(house, deposit))['_id']}/redeliver")

    async def all_delivered() -> bool:
        deliveries = (await house.stripe.state())["deliveries"]
        return all(delivery["due"] is None for delivery in deliveries)

    await house.until(all_delivered)
    await house.quiet()
    assert await ada.available() == 25_00
    assert await house.count("entries") == 1
    assert await house.ledger_is_sound()


async def test_deposit_lost_when_a_handler_fails(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    async with house.mongo_failing("insert", "entries", times=3):
        await house.pay(deposit)

        async def has_failed() -> bool:
            return bool((await event_of(house, deposit))["status"] == "FAILED")

        await house.until(has_failed)
        # Nothing of a failed handling stays behind: not the state, not the balance.
        assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_PAYMENT"
        assert await ada.available() == 0
        settled = await house.settled(ada, deposit)

    assert settled["history"][-1]["actor"] == "webhook"
    event = await event_of(house, deposit)
    assert (event["status"], event["attempts"], event["error"]) == ("PROCESSED", 4, None)
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


async def test_an_event_that_always_fails_is_kept_and_told(house: House) -> None:
    """After eight attempts a person is called. The event is still there, and so is the money at Stripe."""
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    alerts = 'jobsphere_alerts_total{code="WEBHOOK_EVENT_DEAD"}'
    before = await metric(house, alerts)
    async with house.mongo_failing("insert", "entries", times=8):
        await house.pay(deposit)

        async def is_dead() -> bool:
            # Each wait is longer than the one before; here they pass at once.
            event = await event_of(house, deposit)
            if event["status"] == "FAILED" and event["next_attempt_at"] > house.clock():
                house.clock.advance(seconds=(event["next_attempt_at"] - house.clock()).total_seconds())
            return bool(event["status"] == "DEAD")

        await house.until(is_dead)
        event = await event_of(house, deposit)
        assert (event["attempts"], event["error"]) == (8, "OperationFailure")
        assert event["next_attempt_at"] is None
        assert await metric(house, alerts) == before + 1
        assert await ada.available() == 0

    # The deposit itself is looked at as ever: nothing is lost by a dead event.
    house.clock.advance(minutes=2)
    await house.settled(ada, deposit)
    assert await ada.available() == 25_00


async def test_waits_between_attempts_grow(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.quiet()
    delays = Policy().webhook_retry_delays
    sweep = Sweep(house.with_policy(webhook_retry_delays=delays), interval_s=60)
    await house.stop_worker()
    try:
        async with house.mongo_failing("insert", "entries", times=1000):
            await house.pay(deposit)
            await event_of(house, deposit)
            house.clock.advance(seconds=4)  # nobody heard the bell: due when its lease ends
            for delay in delays:
                before = house.clock()
                await sweep.once()
                event = await event_of(house, deposit)
                assert before + delay <= event["next_attempt_at"] <= house.clock() + delay
                house.clock.advance(seconds=delay.total_seconds() + 1)
        await sweep.once()
    finally:
        await house.start_worker()

    assert (await event_of(house, deposit))["status"] == "PROCESSED"
    assert (await house.collection("wallets").find_one({"owner": ada.id}))["available"] == 25_00


async def metric(house: House, name: str) -> float:
    """A counter's value; 0 before its first count."""
    lines = (await house.http.get(f"{house.url}/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


async def test_money_in_floats(house: House) -> None:
    """Neither a stored number nor one on the wire is a float: 0.1 + 0.2 can go wrong nowhere."""
    ada, edith = await house.customer(), await house.admin()
    for amount, currency, card in [
        (10_10, "USD", "pm_card_visa"),
        (20_20, "USD", "pm_card_visa"),
        (30_30, "EUR", "pm_card_visa"),
        (40_40, "USD", "pm_card_chargeDeclined"),
    ]:
        deposit = (await ada.create_deposit(amount, currency=currency))["deposit"]
        await house.pay(deposit, card)
        await house.reaches(ada, deposit, "SUCCEEDED", "FAILED")
    await house.quiet()

    seen = set()
    for name in await house.runtime.database.mongo.list_collection_names():
        async for document in house.collection(name).find():
            seen.add(name)
            assert floats_in(document, name) == []
    assert {"deposits", "wallets", "entries", "statement_lines", "webhook_events", "customers"} <= seen

    for person, query in [(ada, EVERYTHING), (edith, "{ ledgerReport { wallets entries ok } }")]:
        response = await house.http.post(
            f"{house.url}/graphql", json={"query": query}, headers=person.headers
        )
        assert floats_in(orjson.loads(response.content), "answer") == []
    for request in (await house.stripe.state())["requests"]:
        assert "." not in str(request["parameters"].get("amount", ""))
    assert await ada.available() == 30_30


def floats_in(value: Any, path: str) -> list[str]:
    """Paths of whatever is a binary or a decimal fraction."""
    if isinstance(value, float | Decimal128):
        return [path]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in floats_in(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [found for item in value for found in floats_in(item, f"{path}[]")]
    return []


@pytest.mark.parametrize("card", ["pm_card_authenticationRequired", "pm_card_chargeDeclined"])
async def test_credit_before_the_money_is_paid(house: House, card: str) -> None:
    ada = await house.customer()
    await credited_nothing(house, ada, await ada.deposits(usd=25_00), "REQUIRES_PAYMENT")
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit, card)
    await credited_nothing(house, ada, deposit, "REQUIRES_ACTION", "FAILED")

    # Whoever says so unsigned, or signs with a secret of their own, is not believed.
    [intent] = [
        one for one in await house.stripe.objects("payment_intent") if one["id"] == intent_of(deposit)
    ]
    forged = {
        "id": "evt_forged",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {**intent, "status": "succeeded", "amount_received": 25_00}},
    }
    assert (await house.deliver(forged, header="")).status_code == 400
    assert (await house.deliver(forged, secret="whsec_of_somebody_else")).status_code == 400
    house.clock.advance(minutes=2)
    await credited_nothing(house, ada, deposit, "REQUIRES_ACTION", "FAILED")


async def credited_nothing(house: House, ada: Person, deposit: dict[str, Any], *statuses: str) -> None:
    present = await house.reaches(ada, deposit, *statuses)
    await house.quiet()
    assert present["received"]["amount"] == 0
    assert await ada.available() == 0
    assert await house.count("entries") == 0


async def test_balances_saved_as_absolute_values(house: House) -> None:
    """Credits that read the same balance at the same time: each of them lands."""
    ada = await house.customer()
    deposits = [await ada.deposits(usd=1_00 + cents) for cents in range(12)]
    await house.stripe.webhooks(drop=1)
    for deposit in deposits:
        await house.pay(deposit)
    events = [
        event for event in await house.stripe.objects("event") if event["type"] == "payment_intent.succeeded"
    ]

    await asyncio.gather(*(house.deliver(event) for event in events))
    for deposit in deposits:
        await house.settled(ada, deposit)

    assert await ada.available() == sum(1_00 + cents for cents in range(12))
    lines = await house.collection("statement_lines").find().sort("_id.s").to_list()
    assert [line["_id"]["s"] for line in lines] == list(range(1, 13))
    running = 0
    for line in lines:
        running += line["available_delta"]
        assert line["available_after"] == running
    assert await house.ledger_is_sound()


async def test_a_job_paid_out_twice(house: House) -> None:
    """By clicks, by retries, by customer and admin at once: it is paid once."""
    ada = await house.funded(await house.customer(), usd=500_00)
    grace, edith = await house.contractor(), await house.admin()
    escrow = await ada.hires(grace, usd=100_00)
    retries = [ada.release_escrow(escrow, key="pay") for _ in range(5)]
    clicks = [ada.release_escrow(escrow) for _ in range(5)]
    payloads = await asyncio.gather(*retries, *clicks, edith.release_escrow(escrow))
    payloads.append(await ada.release_escrow(escrow))
    paid = [payload for payload in payloads if not payload["userErrors"]]
    assert sum(not payload["idempotency"]["replayed"] for payload in paid) == 1
    assert {payload["escrow"]["status"] for payload in paid} == {"RELEASED"}
    assert (await grace.available(), await ada.in_escrow()) == (80_00, 0)
    assert await house.count("escrow_moves") == 1
    assert await house.ledger_is_sound()


async def test_an_expiry_that_refunds_a_running_job(house: House) -> None:
    """The sweep looks at it again and again, long after its time: what is accepted stays."""
    ada, grace = await house.funded(await house.customer(), usd=500_00), await house.contractor()
    accepted = await ada.hires(grace, usd=100_00)
    paid_in_part = await ada.hires(grace, usd=100_00)
    await ada.release_escrow(paid_in_part, 50_00)
    # As if it had never been taken off the list of what is due.
    await house.collection("escrows").update_many({}, {"$set": {"next_attempt_at": house.clock()}})
    await house.stop_worker()
    for _ in range(3):
        house.clock.advance(days=4)
        await house.sweep()
    await house.start_worker()
    await ada.refresh()

    statuses = [(await ada.escrow(escrow["id"]) or {})["status"] for escrow in (accepted, paid_in_part)]
    assert statuses == ["ACCEPTED", "PARTIALLY_RELEASED"]
    assert (await ada.available(), await ada.in_escrow()) == (290_00, 157_50)
    assert await house.ledger_is_sound()


async def test_nothing_reserved_while_a_withdrawal_waits(house: House) -> None:
    """What was asked for could be spent a second time until it was sent."""
    both = await house.nobody().sign_up("both", "CUSTOMER", "CONTRACTOR")
    await both.create_connect_account()
    await house.onboard(both, "active")
    await house.funded(both, usd=100_00)
    grace = await house.contractor()
    async with house.worker_away():
        withdrawal = await both.withdraws(usd=100_00)
        assert (await both.available(), await both.held()) == (0, 100_00)
        refused = [
            *await asyncio.gather(*(both.request_withdrawal(10_00) for _ in range(5))),
            await both.create_escrow(grace, 1_00),
        ]
    codes = {error["code"] for payload in refused for error in payload["userErrors"]}
    assert (len(refused), codes) == (6, {"INSUFFICIENT_FUNDS"})
    await house.withdrawal_reaches(both, withdrawal, "IN_TRANSIT")
    assert len(await house.stripe.objects("transfer")) == 1
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_two_admins_approving_at_once_send_it_once(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=5_000_00)
    admins = [await house.admin(name) for name in ("edith", "mallory")]
    withdrawals = [await grace.withdraws(usd=1_200_00) for _ in range(4)]
    for withdrawal in withdrawals:
        assert withdrawal["status"] == "AWAITING_APPROVAL"
        payloads = await asyncio.gather(
            *(admin.approve_withdrawal(withdrawal) for admin in admins for _ in range(3))
        )
        assert [payload["userErrors"] for payload in payloads] == [[]] * 6
        sent = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
        assert [change["status"] for change in sent["history"]].count("PENDING") == 1
    transfers = await house.stripe.objects("transfer")
    assert [transfer["amount"] for transfer in transfers] == [1_200_00] * 4
    assert (await grace.available(), await grace.held()) == (200_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_withdrawal_paid_out_twice(house: House) -> None:
    """By clicks, lost answers, bells and sweeps at once: there is one transfer."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    for fault in ("reset_after_commit", "error_500_after_commit"):
        await house.stripe.fault("POST", "/v1/transfers", fault)
    clicks = [grace.request_withdrawal(20_00, key="rent") for _ in range(5)]
    payloads = await asyncio.gather(*clicks)
    [withdrawal_id] = {payload["withdrawal"]["id"] for payload in payloads}
    for _ in range(2):
        await house.time_passes(minutes=5)
        bells = [withdrawals.go_on(house.runtime, withdrawal_id) for _ in range(5)]
        await asyncio.gather(*bells, house.sweep())
    sent = await house.withdrawal_reaches(grace, payloads[0]["withdrawal"], "IN_TRANSIT", "PAID")
    await house.quiet()

    [transfer] = await house.stripe.objects("transfer")
    assert (transfer["id"], transfer["amount"]) == (sent["transferId"], 20_00)
    assert (await grace.available(), await grace.held()) == (30_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("code", ["account_closed", "rate_limit"])
async def test_money_gone_after_a_failed_transfer(house: House, code: str) -> None:
    """Refused at once, or never taken: what was reserved is there again, once, and can be withdrawn."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    if code == "rate_limit":
        await house.stripe.fault("POST", "/v1/transfers", "rate_limit_429", times=4)
    else:
        await house.stripe.fault("POST", "/v1/transfers", "error_400", code=code)
    failing = await grace.withdraws(usd=20_00)
    for tries, pause in enumerate(() if code == "account_closed" else (5, 30, 120), start=1):

        async def is_refused(tries: int = tries) -> bool:
            present = await grace.withdrawal(failing["id"])
            return bool((present["status"], present["attempts"]) == ("RETRYING", tries))

        await house.until(is_refused)
        assert (await grace.available(), await grace.held()) == (30_00, 20_00)
        await house.time_passes(minutes=pause)
        await grace.refresh()
    failed = await house.withdrawal_reaches(grace, failing, "FAILED")
    assert failed["failure"]["message"]
    assert (await grace.available(), await grace.held()) == (50_00, 0)
    assert await house.stripe.objects("transfer") == []

    again = await grace.withdraws(usd=50_00)
    await house.withdrawal_reaches(grace, again, "IN_TRANSIT")
    assert (await grace.available(), await grace.held()) == (0, 0)
    assert await house.ledger_is_sound(asking_stripe=True)
