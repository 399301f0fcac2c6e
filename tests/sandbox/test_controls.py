"""The knobs, and a restart."""

from dataclasses import replace
from pathlib import Path

import pytest
import stripe

from sandbox.stripe import SandboxConfig, WebhookEndpointConfig
from tests.sandbox.running import Json, Receiver, Running, running, until


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
