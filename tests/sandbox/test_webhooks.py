"""Events on their way to whom they concern."""

import time
from dataclasses import replace

import pytest
import stripe

from sandbox.stripe import SandboxConfig
from tests.sandbox.running import PLATFORM_SECRET, Delivery, Receiver, Running, running, until


def stamp(signature: str) -> int:
    return int(signature.split(",", maxsplit=1)[0].removeprefix("t="))


def believed(delivery: Delivery, secret: str) -> bool:
    """By Stripe's own library."""
    try:
        stripe.Webhook.construct_event(delivery.payload, delivery.signature, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


async def tried(sandbox: Running, times: int) -> None:
    """Wait until the only delivery there is was refused so often, and its next try is planned."""
    while [row["tries"] for row in (await sandbox.state())["deliveries"]] != [times]:
        pass


async def platform_endpoint(sandbox: Running) -> str:
    listed = await sandbox.stripe.v1.webhook_endpoints.list_async()
    return next(one.id for one in listed.data if one.url.endswith("/platform"))


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
    await tried(sandbox, 3)
    undelivered = await sandbox.stripe.v1.events.list_async({"delivery_success": False})
    assert [event.type for event in undelivered.data] == ["payment_intent.canceled"]

    await sandbox.control("/clock", advance_seconds=3600)

    await until(lambda: len(receiver.deliveries) == 4)
    assert abs(stamp(receiver.deliveries[-1].signature) - time.time()) < 10, "stamped in real time"


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


async def test_a_corrupt_delivery_comes_again_and_well_signed(sandbox: Running, receiver: Receiver) -> None:
    receiver.statuses += [400, 400, 400]
    await sandbox.control("/webhooks", corrupt=1)
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    await tried(sandbox, 3)

    await sandbox.control("/webhooks")
    await sandbox.control("/clock", advance_seconds=3600)

    await until(lambda: len(receiver.deliveries) == 4)
    assert len({delivery.event["id"] for delivery in receiver.deliveries}) == 1
    assert [believed(delivery, PLATFORM_SECRET) for delivery in receiver.deliveries] == [False] * 3 + [True]


async def test_an_old_timestamp_is_signed_well_and_not_believed(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", old_timestamps=1)
    await sandbox.paid()

    await until(lambda: len(receiver.deliveries) == 2)

    for delivery in receiver.deliveries:
        assert time.time() - stamp(delivery.signature) > 600
        with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
            stripe.Webhook.construct_event(delivery.payload, delivery.signature, PLATFORM_SECRET)
        stripe.Webhook.construct_event(delivery.payload, delivery.signature, PLATFORM_SECRET, tolerance=7200)


async def test_a_share_is_dropped_and_a_share_is_corrupt(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", drop=0.5, corrupt=0.5)
    for _ in range(20):
        await sandbox.paid()

    outcomes = [row["outcome"] for row in (await sandbox.idle())["deliveries"]]

    assert 5 < outcomes.count("dropped") < 35
    arrived = [believed(delivery, PLATFORM_SECRET) for delivery in receiver.deliveries]
    assert len(arrived) == len(outcomes) - outcomes.count("dropped")
    assert {True, False} == set(arrived)
    undelivered = await sandbox.stripe.v1.events.list_async({"delivery_success": False, "limit": 100})
    assert len(undelivered.data) == outcomes.count("dropped")


async def test_a_rolled_secret_signs_beside_the_new_one_until_it_expires(
    sandbox: Running, receiver: Receiver
) -> None:
    platform = await platform_endpoint(sandbox)
    second = (await sandbox.control(f"/webhook_endpoints/{platform}/roll", expire_in_seconds=3600))["secret"]
    third = (await sandbox.control(f"/webhook_endpoints/{platform}/roll", expire_in_seconds=60))["secret"]
    assert len({PLATFORM_SECRET, second, third}) == 3

    signed_by: list[list[bool]] = []
    for advance in (0, 60, 3600):
        await sandbox.control("/clock", advance_seconds=advance)
        receiver.forget()
        await sandbox.paid()
        await until(lambda: len(receiver.of_type("payment_intent.succeeded")) == 1)
        [delivery] = receiver.of_type("payment_intent.succeeded")
        signed_by.append([believed(delivery, secret) for secret in (third, second, PLATFORM_SECRET)])

    assert signed_by == [[True, True, True], [True, False, True], [True, False, False]]


async def test_a_reset_brings_the_configured_secrets_back(sandbox: Running, receiver: Receiver) -> None:
    endpoints = (await sandbox.stripe.v1.webhook_endpoints.list_async()).data
    for endpoint in endpoints:
        await sandbox.control(f"/webhook_endpoints/{endpoint.id}/roll", expire_in_seconds=0)
        await sandbox.stripe.v1.webhook_endpoints.update_async(endpoint.id, {"disabled": True})

    await sandbox.reset()

    await sandbox.paid()
    await until(lambda: len(receiver.deliveries) == 2)
    assert all(believed(delivery, PLATFORM_SECRET) for delivery in receiver.deliveries)


async def test_a_configured_rotation_signs_with_both(
    config: SandboxConfig, sandbox: Running, receiver: Receiver
) -> None:
    rotating = replace(config.webhooks[0], secret="whsec_new", previous_secret="whsec_old")
    async with running(replace(config, webhooks=(rotating,))) as other:
        await other.paid()
        await until(lambda: len(receiver.deliveries) == 2)

    for delivery in receiver.deliveries:
        assert [believed(delivery, one) for one in ("whsec_new", "whsec_old", PLATFORM_SECRET)] == [
            True,
            True,
            False,
        ]


async def test_a_disabled_endpoint_hears_nothing_then_nor_later(sandbox: Running, receiver: Receiver) -> None:
    receiver.statuses += [500, 500, 500]
    first = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(first.id)
    await tried(sandbox, 3)  # once more in an hour
    platform = await platform_endpoint(sandbox)

    disabled = await sandbox.stripe.v1.webhook_endpoints.update_async(platform, {"disabled": True})
    second = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(second.id)

    assert disabled.status == "disabled"
    assert (await sandbox.events()).count("payment_intent.canceled") == 2, "recorded all the same"
    assert len((await sandbox.state())["deliveries"]) == 1, "and nothing is piled up"
    enabled = await sandbox.stripe.v1.webhook_endpoints.update_async(platform, {"disabled": False})
    assert enabled.status == "enabled"
    third = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(third.id)
    await until(lambda: len(receiver.deliveries) == 4)
    await sandbox.control("/clock", advance_seconds=3600)
    await until(lambda: len(receiver.deliveries) == 5)
    heard = [delivery.event["data"]["object"]["id"] for delivery in receiver.deliveries]
    assert heard == [first.id] * 3 + [third.id, first.id], "enabled before its retry, the first goes on"


async def test_a_retry_that_falls_due_while_disabled_is_given_up(
    sandbox: Running, receiver: Receiver
) -> None:
    receiver.statuses += [500, 500, 500]
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    await tried(sandbox, 3)
    platform = await platform_endpoint(sandbox)
    await sandbox.stripe.v1.webhook_endpoints.update_async(platform, {"disabled": True})

    await sandbox.control("/clock", advance_seconds=3600)

    [row] = (await sandbox.idle())["deliveries"]
    assert (row["outcome"], row["tries"]) == ("endpoint gone or disabled", 3)
    assert len(receiver.deliveries) == 3


async def test_a_resend_calls_no_retry_off(sandbox: Running, receiver: Receiver) -> None:
    receiver.statuses += [500, 500, 500]
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    await tried(sandbox, 3)
    event_id = receiver.deliveries[0].event["id"]

    await sandbox.control(f"/events/{event_id}/redeliver")
    await until(lambda: len(receiver.deliveries) == 4)
    resent = await sandbox.stripe.v1.events.retrieve_async(event_id)
    await sandbox.control("/clock", advance_seconds=3600)
    await until(lambda: len(receiver.deliveries) == 5)

    assert resent.pending_webhooks == 1, "still undelivered, as far as Stripe counts"
    while (await sandbox.stripe.v1.events.retrieve_async(event_id)).pending_webhooks:
        pass
