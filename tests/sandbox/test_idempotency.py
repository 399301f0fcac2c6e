"""One key, one effect."""

import asyncio

import pytest
import stripe

from tests.sandbox.running import Json, Running

INTENT = {"amount": "5000", "currency": "usd"}


async def post(
    sandbox: Running, key: str, data: Json, path: str = "/v1/payment_intents"
) -> tuple[int, Json, bool]:
    answer = await sandbox.http.post(path, data=data, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json(), answer.headers.get("idempotent-replayed") == "true"


async def test_the_same_request_is_answered_again_and_not_done_again(sandbox: Running) -> None:
    status, first, replayed = await post(sandbox, "k", INTENT)
    assert (status, replayed) == (200, False)

    status, second, replayed = await post(sandbox, "k", INTENT)

    assert (status, replayed) == (200, True)
    assert second == first
    assert len((await sandbox.stripe.v1.payment_intents.list_async()).data) == 1


async def test_the_answer_stays_as_it_was(sandbox: Running) -> None:
    _, first, _ = await post(sandbox, "k", INTENT)
    await sandbox.stripe.v1.payment_intents.cancel_async(first["id"])

    _, second, _ = await post(sandbox, "k", INTENT)

    assert second["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("path", "data"),
    [("/v1/payment_intents", INTENT | {"amount": "5001"}), ("/v1/customers", {"name": "Ada"})],
)
async def test_a_key_is_for_one_request(sandbox: Running, path: str, data: Json) -> None:
    await post(sandbox, "k", INTENT)

    status, body, _ = await post(sandbox, "k", data, path)

    assert (status, body["error"]["type"]) == (400, "idempotency_error")


async def test_a_decline_is_kept(sandbox: Running) -> None:
    intent = await sandbox.intent()
    path, data = f"/v1/payment_intents/{intent.id}/confirm", {"payment_method": "pm_card_chargeDeclined"}
    status, first, _ = await post(sandbox, "k", data, path)
    assert status == 402

    status, second, replayed = await post(sandbox, "k", data, path)

    assert (status, second, replayed) == (402, first, True)
    assert (await sandbox.events()).count("charge.failed") == 1


async def test_a_business_refusal_is_kept(sandbox: Running) -> None:
    status, _, _ = await post(sandbox, "k", INTENT | {"amount": "10"})
    assert status == 400

    _, body, replayed = await post(sandbox, "k", INTENT | {"amount": "10"})

    assert (body["error"]["code"], replayed) == ("amount_too_small", True)


async def test_a_validation_error_is_not_kept(sandbox: Running) -> None:
    status, _, _ = await post(sandbox, "k", {"amount": "ten", "currency": "usd"})
    assert status == 400

    status, _, replayed = await post(sandbox, "k", INTENT)

    assert (status, replayed) == (200, False)


async def test_while_the_first_runs_the_second_must_wait(sandbox: Running) -> None:
    await sandbox.fault("latency", latency_ms=1000)

    first = asyncio.create_task(post(sandbox, "k", INTENT))
    while not (await sandbox.state())["requests"]:
        pass
    status, body, _ = await post(sandbox, "k", INTENT)

    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (await first)[0] == 200
    assert (await post(sandbox, "k", INTENT))[2] is True


async def test_a_hundred_at_once_make_one(sandbox: Running) -> None:
    answers = await asyncio.gather(*(post(sandbox, "k", INTENT) for _ in range(100)))

    assert {status for status, _, _ in answers} <= {200, 409}
    assert len({body["id"] for status, body, _ in answers if status == 200}) == 1
    assert len((await sandbox.stripe.v1.payment_intents.list_async()).data) == 1


async def test_a_key_is_forgotten_after_a_day(sandbox: Running) -> None:
    _, first, _ = await post(sandbox, "k", INTENT)
    await sandbox.control("/clock", advance_seconds=86_401)

    _, second, replayed = await post(sandbox, "k", INTENT)

    assert replayed is False
    assert second["id"] != first["id"]


async def test_events_tell_the_key(sandbox: Running) -> None:
    await sandbox.stripe.v1.payment_intents.create_async(
        {"amount": 50_00, "currency": "usd"}, {"idempotency_key": "deposit:1:create:1"}
    )

    event = (await sandbox.stripe.v1.events.list_async()).data[0]

    assert event.request is not None
    assert event.request.idempotency_key == "deposit:1:create:1"
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.customers.create_async({}, {"idempotency_key": "k" * 256})
