"""Events on their way to whom they concern."""

import time

import pytest
import stripe

from tests.sandbox.running import PLATFORM_SECRET, Receiver, Running, until


async def test_a_delivery_is_signed_so_that_stripe_itself_believes_it(
    sandbox: Running, receiver: Receiver
) -> None:
    paid = await sandbox.paid()

    await until(lambda: "payment_intent.succeeded" in receiver.types())

    delivery = receiver.of_type("payment_intent.succeeded")[0]
    event = stripe.Webhook.construct_event(delivery.payload, delivery.signature, PLATFORM_SECRET)
    assert event.data.object.id == paid.id
    assert delivery.path == "/platform"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.payload + b" ", delivery.signature, PLATFORM_SECRET)


async def test_only_what_was_subscribed_to_is_sent(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.paid()

    await until(lambda: len(receiver.deliveries) == 2)

    assert set(receiver.types()) == {"charge.succeeded", "payment_intent.succeeded"}
    assert {delivery.path for delivery in receiver.deliveries} == {"/platform"}


async def test_a_refused_delivery_is_tried_again_with_a_new_stamp(
    sandbox: Running, receiver: Receiver
) -> None:
    receiver.statuses += [500, 302]
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)

    await until(lambda: len(receiver.deliveries) == 3)

    assert [delivery.answered for delivery in receiver.deliveries] == [500, 302, 200]
    assert len({delivery.event["id"] for delivery in receiver.deliveries}) == 1
    for delivery in receiver.deliveries:
        stripe.Webhook.construct_event(delivery.payload, delivery.signature, PLATFORM_SECRET)
    event_id = receiver.deliveries[0].event["id"]
    while (await sandbox.stripe.v1.events.retrieve_async(event_id)).pending_webhooks:
        pass


async def test_the_clock_brings_late_retries(sandbox: Running, receiver: Receiver) -> None:
    receiver.statuses += [500, 500, 500]
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    await until(lambda: len(receiver.deliveries) == 3)
    undelivered = await sandbox.stripe.v1.events.list_async({"delivery_success": False})
    assert [event.type for event in undelivered.data] == ["payment_intent.canceled"]

    await sandbox.control("/clock", advance_seconds=3600)

    await until(lambda: len(receiver.deliveries) == 4)
    stamp = int(receiver.deliveries[-1].signature.split(",")[0].removeprefix("t="))
    assert abs(stamp - time.time()) < 10, "stamped in real time"


async def test_duplicates_are_the_same_event(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", duplicate=3, shuffle=True)
    await sandbox.paid()

    await until(lambda: len(receiver.deliveries) == 8)

    assert len({delivery.event["id"] for delivery in receiver.deliveries}) == 2


async def test_what_is_dropped_comes_when_sent_again(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", drop=1)
    await sandbox.paid()
    while any(row["outcome"] is None for row in (await sandbox.state())["deliveries"]):
        pass
    assert receiver.deliveries == []
    await sandbox.control("/webhooks")

    sent = await sandbox.control("/events/redeliver_last", times=5)

    assert sent["deliveries"] == 5
    await until(lambda: len(receiver.deliveries) == 5)
    assert set(receiver.types()) == {"payment_intent.succeeded"}


async def test_one_event_is_sent_again(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.paid()
    await until(lambda: len(receiver.deliveries) == 2)
    charge = receiver.of_type("charge.succeeded")[0].event

    await sandbox.control(f"/events/{charge['id']}/redeliver")

    await until(lambda: len(receiver.deliveries) == 3)
    assert receiver.deliveries[-1].event["id"] == charge["id"]


async def test_a_corrupt_signature_is_not_believed(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", corrupt=1)
    await sandbox.paid()

    await until(lambda: len(receiver.deliveries) == 2)

    for delivery in receiver.deliveries:
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.payload, delivery.signature, PLATFORM_SECRET)


async def test_a_delay_is_virtual(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", delay_ms=60_000)
    await sandbox.paid()
    assert receiver.deliveries == []

    await sandbox.control("/clock", advance_seconds=60)

    await until(lambda: len(receiver.deliveries) == 2)


async def test_an_endpoint_of_ones_own(sandbox: Running, receiver: Receiver) -> None:
    endpoint = await sandbox.stripe.v1.webhook_endpoints.create_async(
        {"url": f"{receiver.url}/own", "enabled_events": ["customer.created"], "metadata": {"a": "b"}}
    )
    assert endpoint.secret is not None
    assert "secret" not in (await sandbox.stripe.v1.webhook_endpoints.retrieve_async(endpoint.id)).to_dict()

    await sandbox.stripe.v1.customers.create_async({"name": "Ada"})

    await until(lambda: len(receiver.deliveries) == 1)
    delivery = receiver.deliveries[0]
    assert delivery.path == "/own"
    stripe.Webhook.construct_event(delivery.payload, delivery.signature, endpoint.secret)
    await sandbox.stripe.v1.webhook_endpoints.update_async(endpoint.id, {"disabled": True})
    await sandbox.stripe.v1.customers.create_async({"name": "Bob"})
    await sandbox.stripe.v1.webhook_endpoints.delete_async(endpoint.id)
    assert len((await sandbox.stripe.v1.webhook_endpoints.list_async()).data) == 2
    assert len(receiver.deliveries) == 1
