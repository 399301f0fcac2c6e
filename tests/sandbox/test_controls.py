"""The knobs, and a restart."""

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import stripe

from sandbox.stripe import SandboxConfig, WebhookEndpointConfig
from sandbox.stripe.delivery import signature
from tests.sandbox.running import PLATFORM_SECRET, Delivery, Json, Receiver, Running, running, until


async def play(sandbox: Running) -> list[str]:
    """Some ids and secrets."""
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada"})
    paid = await sandbox.paid(customer=customer.id)
    await sandbox.control("/clock", advance_seconds=1)
    events = await sandbox.stripe.v1.events.list_async()
    return [
        customer.id,
        paid.id,
        str(paid.client_secret),
        str(paid.latest_charge),
        *(e.id for e in events.data),
    ]


async def test_the_same_seed_the_same_ids(sandbox: Running) -> None:
    await sandbox.reset(7)
    first = await play(sandbox)
    await sandbox.reset(7)
    second = await play(sandbox)
    await sandbox.reset(8)
    other = await play(sandbox)

    assert first == second
    assert set(first).isdisjoint(other)


async def test_a_reset_leaves_endpoints_and_the_float(sandbox: Running) -> None:
    before = (await sandbox.state())["objects"]["webhook_endpoint"]
    await play(sandbox)
    await sandbox.fault("error_503")

    await sandbox.reset()

    state = await sandbox.state()
    assert state["objects"]["webhook_endpoint"] == before
    assert state["objects"].keys() == {"webhook_endpoint", "balance_transaction", "topup"}
    assert (state["faults"], state["requests"], state["deliveries"]) == ([], [], [])
    balance = await sandbox.stripe.v1.balance.retrieve_async()
    assert balance.available[0].amount == 10_000_000_00


async def test_the_float_is_set(sandbox: Running) -> None:
    for amount in (0, 12_34):
        answer = await sandbox.control("/float", currency="usd", amount=amount)
        assert answer["available"] == amount

    booked = await sandbox.stripe.v1.balance_transactions.list_async({"expand": ["data.source"]})
    assert [one.amount for one in booked.data] == [12_34, -10_000_000_00, 10_000_000_00]
    assert [one.type for one in booked.data] == ["topup", "topup_reversal", "topup"]
    await sandbox.control("/float", currency="eur", amount=5)
    balance = await sandbox.stripe.v1.balance.retrieve_async()
    assert [one.currency for one in balance.available] == ["eur", "usd"]


async def test_the_state_tells_every_request(sandbox: Running) -> None:
    await sandbox.stripe.v1.customers.create_async(
        {"name": "Ada", "metadata": {"user_id": "1"}}, {"idempotency_key": "k"}
    )
    await sandbox.http.get("/v1/nothing")

    requests = (await sandbox.state())["requests"]

    assert [(one["method"], one["path"], one["status"]) for one in requests] == [
        ("POST", "/v1/customers", 200),
        ("GET", "/v1/nothing", 404),
    ]
    assert requests[0]["idempotency_key"] == "k"
    assert requests[0]["parameters"] == {"name": "Ada", "metadata": {"user_id": "1"}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faults", {"path": "/v1/x", "fault": "explosion"}),
        ("/faults", {"path": "v1/x", "fault": "error_503"}),
        ("/faults", {"path": "/v1/x", "fault": "error_400"}),
        ("/faults", {"path": "/v1/x", "fault": "latency"}),
        ("/faults", {"path": "/v1/x", "fault": "error_503", "times": 0}),
        ("/webhooks", {"drop": 2}),
        ("/webhooks", {"dorp": 1}),
        ("/clock", {"advance_seconds": -1}),
        ("/clock", {}),
        ("/float", {"currency": "xxx", "amount": 1}),
        ("/float", {"currency": "usd", "amount": -1}),
        ("/events/redeliver_last", {"times": 0}),
        ("/webhooks", {"old_timestamps": 1.5}),
        ("/webhook_endpoints/we_1/roll", {}),
        ("/webhook_endpoints/we_1/roll", {"expire_in_seconds": 86_401}),
        ("/balance_transactions", {"type": "stripe_fee", "amount": 1, "currency": "usd"}),
        ("/balance_transactions", {"type": "payout", "amount": 1, "currency": "usd"}),
        ("/balance_transactions", {"type": "adjustment", "amount": 0, "currency": "usd"}),
        ("/balance_transactions", {"type": "charge", "amount": 1, "currency": "usd"}),
        ("/balance_transactions", {"type": "adjustment", "amount": 1, "currency": "xxx"}),
        ("/refunds/re_1", {"outcome": "failed"}),
        ("/refunds/re_1", {"outcome": "lost"}),
        ("/reset", {"seed": "a"}),
        ("/reset", []),
    ],
)
async def test_nonsense_is_refused(sandbox: Running, path: str, body: Json) -> None:
    answer = await sandbox.http.post(f"/_sandbox{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_there_may_be_nothing_to_send_again(sandbox: Running) -> None:
    for path in ("/events/evt_1/redeliver", "/events/redeliver_last"):
        assert (await sandbox.http.post(f"/_sandbox{path}")).status_code == 404


async def test_a_second_start_finds_everything(tmp_path: Path, config: SandboxConfig) -> None:
    lasting = replace(config, database=tmp_path / "stripe" / "sandbox.sqlite3")
    async with running(lasting) as sandbox:
        await sandbox.control("/clock", advance_seconds=100)
        intent = await sandbox.stripe.v1.payment_intents.create_async(
            {"amount": 50_00, "currency": "usd"}, {"idempotency_key": "k"}
        )
        before = await sandbox.state()

    async with running(lasting) as sandbox:
        after = await sandbox.state()
        again = await sandbox.stripe.v1.payment_intents.create_async(
            {"amount": 50_00, "currency": "usd"}, {"idempotency_key": "k"}
        )

    assert again.id == intent.id
    for name in ("objects", "seed", "clock_offset_s", "requests", "answers"):
        assert after[name] == before[name], name


async def test_a_restart_goes_on_delivering(
    tmp_path: Path, config: SandboxConfig, sandbox: Running, receiver: Receiver
) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3", delivery_retry_s=(3600.0,))
    receiver.statuses += [500]
    async with running(lasting) as first:
        intent = await first.intent()
        await first.stripe.v1.payment_intents.cancel_async(intent.id)
        await until(lambda: len(receiver.deliveries) == 1)

    async with running(lasting) as second:
        await second.control("/clock", advance_seconds=3600)
        await until(lambda: len(receiver.deliveries) == 2)

    assert len({delivery.event["id"] for delivery in receiver.deliveries}) == 1


async def test_a_new_url_and_secret_are_taken_at_the_next_start(
    tmp_path: Path, config: SandboxConfig, sandbox: Running, receiver: Receiver
) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3")
    moved = replace(
        lasting,
        webhooks=(WebhookEndpointConfig(f"{receiver.url}/elsewhere", "whsec_new"), config.webhooks[1]),
    )
    async with running(lasting) as first:
        before = (await first.stripe.v1.webhook_endpoints.list_async()).data

    async with running(moved) as second:
        after = (await second.stripe.v1.webhook_endpoints.list_async()).data
        await second.paid()
        await until(lambda: len(receiver.deliveries) == 2)

    assert [endpoint.id for endpoint in after] == [endpoint.id for endpoint in before]
    for delivery in receiver.deliveries:
        assert delivery.path == "/elsewhere"
        stripe.Webhook.construct_event(delivery.payload, delivery.signature, "whsec_new")


TIMES = {"at", "available_on", "arrival_date", "created", "due", "expected_availability_date", "now"}


def timeless(value: Any) -> Any:
    """Without what hangs on when it was: the moments themselves, and the order in which things came about."""
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items() if name not in TIMES}
    if isinstance(value, list):
        return sorted((timeless(one) for one in value), key=orjson.dumps)
    return value


async def misadventures(sandbox: Running) -> Json:
    """A bit of everything, and the state after it."""
    await sandbox.control("/webhooks", drop=0.3, corrupt=0.3, old_timestamps=0.2, duplicate=2, shuffle=True)
    numbers = itertools.count()

    async def post(path: str, **data: str) -> Any:
        """Under keys that the test knows: Stripe's library draws its own."""
        return (
            await sandbox.http.post(path, data=data, headers={"Idempotency-Key": f"{next(numbers)}"})
        ).json()

    payment = {"amount": "5000", "currency": "usd", "confirm": "true", "return_url": "https://example.com"}
    for card in ("visa", "bypassPending", "refundFail", "pendingRefund", "chargeDeclined"):
        paid = await post("/v1/payment_intents", **payment, payment_method=f"pm_card_{card}")
        await post("/v1/refunds", payment_intent=paid.get("id", "pi_none"), amount="1000")
    await sandbox.control("/clock", advance_seconds=5 * 86_400)
    await sandbox.control("/balance_transactions", type="payout", amount=-5, currency="usd")
    return await sandbox.idle()


async def test_the_same_seed_the_same_state(sandbox: Running, receiver: Receiver) -> None:
    states, signatures = [], []
    for seed in (7, 7, 8):
        await sandbox.reset(seed)
        receiver.forget()
        states.append(timeless(await misadventures(sandbox)))
        signatures.append(sorted((each.event["id"], *trusted(each)) for each in receiver.deliveries))

    first, second, other = states
    for name in first:
        assert first[name] == second[name], name
    assert signatures[0] == signatures[1]
    assert {"dropped", "200"} == {row["outcome"] for row in first["deliveries"]}
    assert {(True, True), (True, False), (False, True)} <= {tuple(one[1:]) for one in signatures[0]}
    ids = [{one["id"] for one in state["objects"]["event"]} for state in (first, other)]
    assert ids[0].isdisjoint(ids[1])
    outcomes = [[row["outcome"] for row in state["deliveries"]] for state in (first, other)]
    assert outcomes[0] != outcomes[1]


def trusted(delivery: Delivery) -> tuple[bool, bool]:
    """Whether it is well signed, and whether its stamp is new."""
    stamp = int(delivery.signature.split(",", maxsplit=1)[0].removeprefix("t="))
    well_signed = delivery.signature == signature(delivery.payload, PLATFORM_SECRET, timestamp=stamp)
    return well_signed, time.time() - stamp < 600


async def test_the_same_seed_the_same_order(sandbox: Running) -> None:
    orders = []
    for seed in (7, 7, 8):
        await sandbox.reset(seed)
        await sandbox.control("/webhooks", duplicate=3, shuffle=True, delay_ms=60_000)
        await sandbox.paid()
        state = await sandbox.state()
        types = {event["id"]: event["type"] for event in state["objects"]["event"]}
        planned = sorted(state["deliveries"], key=lambda row: row["due"])
        orders.append([(types[row["event"]], row["extra"]) for row in planned])

    first, second, other = orders
    assert first == second
    assert sorted(first) == sorted(other)
    assert first != other
    assert first != sorted(first)


async def test_ids_do_not_hang_on_what_time_brings_meanwhile(sandbox: Running) -> None:
    """A charge settles before or after the next request: the ids are the same."""
    seen = []
    for pause_s in (0, 1):
        await sandbox.reset(7)
        paid = await sandbox.paid()
        await sandbox.control("/clock", advance_seconds=pause_s)
        await sandbox.stripe.v1.refunds.create_async({"payment_intent": paid.id})
        await sandbox.control("/clock", advance_seconds=10)
        objects = (await sandbox.state())["objects"]
        events = {(one["id"], one["type"], one["data"]["object"].get("id")) for one in objects["event"]}
        booked = {(one["id"], one["source"]) for one in objects["balance_transaction"]}
        seen.append((events, booked))

    assert seen[0] == seen[1]


async def test_money_moves_without_our_doing(sandbox: Running) -> None:
    plans: list[tuple[str, int, str]] = [
        ("stripe_fee", -7_00, "fee"),
        ("adjustment", 3_00, "other_adjustment"),
        ("adjustment", -1_00, "other_adjustment"),
        ("payout", -20_00, "payout"),
    ]
    await sandbox.control("/float", currency="eur", amount=100_00)
    for kind, amount, _ in plans:
        answer = await sandbox.control(
            "/balance_transactions", type=kind, amount=amount, currency="EUR", fee=10, description="Who knows"
        )

    assert answer["available"] == 100_00 - 7_00 + 3_00 - 1_00 - 20_00 - 4 * 10
    listed = await sandbox.stripe.v1.balance_transactions.list_async(
        {"currency": "eur", "limit": 4, "expand": ["data.source"]}
    )
    booked = listed.data[::-1]
    assert [(one.type, one.amount, one.reporting_category) for one in booked] == plans
    assert [(one.fee, one.net, one.description) for one in booked] == [
        (10, amount - 10, "Who knows") for _, amount, _ in plans
    ]
    assert [one.source for one in booked[:3]] == [None, None, None]
    payout = booked[3].source
    assert isinstance(payout, stripe.Payout)
    assert (payout.amount, payout.status, payout.automatic) == (20_00, "paid", False)
    assert (await sandbox.events())[-2:] == ["payout.created", "payout.paid"]
    with pytest.raises(stripe.InvalidRequestError, match="not manual"):
        await sandbox.stripe.v1.balance_transactions.list_async({"payout": payout.id})
