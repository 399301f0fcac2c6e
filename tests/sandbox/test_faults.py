"""Every way to go wrong, and what is left behind."""

from collections.abc import AsyncIterator

import pytest
import stripe

from tests.sandbox.running import Running, stripe_client

KEY = "deposit:1:create:1"
INTENT: stripe.params.PaymentIntentCreateParams = {"amount": 50_00, "currency": "usd"}

BEFORE = {
    "reset_before_commit": stripe.APIConnectionError,
    "timeout_before_commit": stripe.APIConnectionError,
    "error_500_before_commit": stripe.APIError,
    "error_503": stripe.APIError,
    "rate_limit_429": stripe.RateLimitError,
    "lock_timeout_429": stripe.RateLimitError,
    "conflict_409": stripe.APIError,
    "error_401": stripe.AuthenticationError,
}
AFTER = {
    "reset_after_commit": stripe.APIConnectionError,
    "timeout_after_commit": stripe.APIConnectionError,
    "truncate_after_commit": stripe.APIConnectionError,
}


async def create(client: stripe.StripeClient) -> stripe.PaymentIntent:
    return await client.v1.payment_intents.create_async(INTENT, {"idempotency_key": KEY})


@pytest.fixture
async def hasty(sandbox: Running) -> AsyncIterator[stripe.StripeClient]:
    """A client that soon gives up."""
    async with stripe_client(sandbox.url, timeout_s=1.0) as client:
        yield client


@pytest.mark.parametrize("fault", BEFORE)
async def test_before_the_commit_nothing_is_done(
    sandbox: Running, hasty: stripe.StripeClient, fault: str
) -> None:
    await sandbox.fault(fault)

    with pytest.raises(BEFORE[fault]):
        await create(hasty)

    state = await sandbox.state()
    assert "payment_intent" not in state["objects"]
    assert state["answers"] == []
    assert [request["fault"] for request in state["requests"]] == [fault]
    again = await create(hasty)
    assert again.last_response is not None
    assert "idempotent-replayed" not in again.last_response.headers


@pytest.mark.parametrize("fault", AFTER)
async def test_after_the_commit_all_is_done_and_can_be_asked_again(
    sandbox: Running, hasty: stripe.StripeClient, fault: str
) -> None:
    await sandbox.fault(fault, times=2)
    for _ in range(2):  # the second is a replay, and commits nothing
        with pytest.raises(AFTER[fault]):
            await create(hasty)
    assert await sandbox.events() == ["payment_intent.created"]

    again = await create(hasty)

    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    intents = (await sandbox.stripe.v1.payment_intents.list_async()).data
    assert [intent.id for intent in intents] == [again.id]
    event = (await sandbox.stripe.v1.events.list_async()).data[0]
    assert event.request is not None
    assert event.request.idempotency_key == KEY


async def test_a_500_after_the_commit_is_kept(sandbox: Running) -> None:
    await sandbox.fault("error_500_after_commit")

    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as caught:
            await create(sandbox.stripe)
        assert caught.value.http_status == 500
        assert caught.value.headers is not None
        assert caught.value.headers.get("idempotent-replayed") == replayed

    assert len((await sandbox.stripe.v1.payment_intents.list_async()).data) == 1


async def test_a_500_on_a_replay_changes_nothing_kept(sandbox: Running) -> None:
    first = await create(sandbox.stripe)
    await sandbox.fault("error_500_after_commit")
    with pytest.raises(stripe.APIError):
        await create(sandbox.stripe)

    assert (await create(sandbox.stripe)).id == first.id


async def test_a_refusal_with_a_code_is_kept(sandbox: Running) -> None:
    await sandbox.fault("error_400", code="balance_insufficient")

    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await create(sandbox.stripe)
        assert caught.value.code == "balance_insufficient"

    assert (await sandbox.stripe.v1.payment_intents.list_async()).data == []


async def test_a_slow_answer_is_an_answer(sandbox: Running) -> None:
    await sandbox.fault("latency", latency_ms=50)

    assert (await create(sandbox.stripe)).status == "requires_payment_method"


async def test_a_star_is_one_segment_and_times_run_out(sandbox: Running) -> None:
    intent = await sandbox.intent()
    await sandbox.fault("error_503", "/v1/payment_intents/*/confirm", times=2)

    assert (await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)).id == intent.id
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await sandbox.confirm(intent.id)
    assert (await sandbox.confirm(intent.id)).status == "succeeded"


async def test_faults_can_be_taken_back(sandbox: Running) -> None:
    await sandbox.fault("error_503", times=100)
    await sandbox.http.delete("/_sandbox/faults")

    assert (await create(sandbox.stripe)).status == "requires_payment_method"


async def test_reading_goes_wrong_too(sandbox: Running) -> None:
    await sandbox.fault("reset_after_commit", "/v1/balance", method="GET")

    with pytest.raises(stripe.APIConnectionError):
        await sandbox.stripe.v1.balance.retrieve_async()
