"""A card is saved for later, without paying."""

from typing import Any

import pytest
import stripe

from tests.sandbox.running import PUBLISHABLE_KEY, Receiver, Running, stripe_client, until

RETURN_URL = "https://example.com/back?a=b"


async def challenge_of(intent: stripe.SetupIntent) -> str:
    assert intent.next_action is not None
    redirect = intent.next_action.redirect_to_url
    assert redirect is not None
    assert redirect.url is not None
    return redirect.url


async def cards_of(sandbox: Running, customer: str) -> list[str]:
    listed = await sandbox.stripe.v1.customers.payment_methods.list_async(customer, {"type": "card"})
    return [card.id for card in listed.data]


@pytest.fixture
async def ada(sandbox: Running) -> str:
    return (await sandbox.stripe.v1.customers.create_async({"email": "ada@example.com"})).id


async def test_a_card_is_saved(sandbox: Running, receiver: Receiver, ada: str) -> None:
    intent = await sandbox.setup(customer=ada, usage="off_session", metadata={"user_id": "u1"})
    assert (intent.status, intent.usage, intent.customer) == ("requires_payment_method", "off_session", ada)
    assert str(intent.client_secret).startswith(f"{intent.id}_secret_")
    assert (intent.payment_method, intent.latest_attempt, intent.last_setup_error) == (None, None, None)

    saved = await sandbox.confirm_setup(intent.id)

    assert saved.status == "succeeded"
    assert await cards_of(sandbox, ada) == [saved.payment_method]
    assert await sandbox.events() == [
        "customer.created",
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]
    attempt = (
        await sandbox.stripe.v1.setup_intents.retrieve_async(intent.id, {"expand": ["latest_attempt"]})
    ).latest_attempt
    assert isinstance(attempt, stripe.SetupAttempt)
    assert (attempt.status, attempt.setup_intent) == ("succeeded", intent.id)
    paid = await sandbox.intent(
        customer=ada, confirm=True, payment_method=saved.payment_method, off_session=True
    )
    assert paid.status == "succeeded"


async def test_what_happened_is_delivered(sandbox: Running, receiver: Receiver, ada: str) -> None:
    endpoint = await sandbox.stripe.v1.webhook_endpoints.create_async(
        {
            "url": f"{receiver.url}/own",
            "enabled_events": ["setup_intent.succeeded", "payment_method.attached"],
        }
    )
    saved = await sandbox.setup(customer=ada, confirm=True, payment_method="pm_card_visa")

    await until(lambda: len([one for one in receiver.deliveries if one.path == "/own"]) == 2)

    succeeded = receiver.of_type("setup_intent.succeeded")[0].event["data"]["object"]
    assert (succeeded["id"], succeeded["payment_method"]) == (saved.id, saved.payment_method)
    await sandbox.stripe.v1.webhook_endpoints.delete_async(endpoint.id)


async def test_created_with_a_card_it_waits_for_its_confirmation(sandbox: Running, ada: str) -> None:
    intent = await sandbox.setup(customer=ada, payment_method="pm_card_visa")
    assert intent.status == "requires_confirmation"

    saved = await sandbox.stripe.v1.setup_intents.confirm_async(intent.id)

    assert saved.status == "succeeded"
    assert saved.payment_method == intent.payment_method


async def test_a_card_saved_for_nobody_can_be_attached_later(sandbox: Running, ada: str) -> None:
    saved = await sandbox.setup(confirm=True, payment_method="pm_card_visa")
    assert isinstance(saved.payment_method, str)
    assert await cards_of(sandbox, ada) == []

    await sandbox.stripe.v1.payment_methods.attach_async(saved.payment_method, {"customer": ada})

    assert await cards_of(sandbox, ada) == [saved.payment_method]


async def test_a_declining_card_cannot_be_saved_and_another_one_can(sandbox: Running, ada: str) -> None:
    intent = await sandbox.setup(customer=ada)

    with pytest.raises(stripe.CardError) as caught:
        await sandbox.confirm_setup(intent.id, "pm_card_chargeDeclinedInsufficientFunds")

    error = caught.value.error
    assert error is not None
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert error.decline_code == "insufficient_funds"
    assert error.setup_intent is not None
    assert (error.setup_intent.id, error.setup_intent.status) == (intent.id, "requires_payment_method")
    left = await sandbox.stripe.v1.setup_intents.retrieve_async(intent.id, {"expand": ["latest_attempt"]})
    assert left.last_setup_error is not None
    assert left.last_setup_error.decline_code == "insufficient_funds"
    assert isinstance(left.latest_attempt, stripe.SetupAttempt)
    assert left.latest_attempt.status == "failed"
    assert left.payment_method is None
    assert (await sandbox.events())[-1] == "setup_intent.setup_failed"
    saved = await sandbox.confirm_setup(intent.id)
    assert (saved.status, saved.last_setup_error) == ("succeeded", None)
    assert await cards_of(sandbox, ada) == [saved.payment_method]


async def test_created_and_confirmed_in_one_call_a_declined_one_lives_on(sandbox: Running, ada: str) -> None:
    with pytest.raises(stripe.CardError):
        await sandbox.setup(customer=ada, confirm=True, payment_method="pm_card_chargeDeclined")

    [left] = (await sandbox.stripe.v1.setup_intents.list_async({"customer": ada})).data
    assert left.status == "requires_payment_method"


@pytest.mark.parametrize(
    ("outcome", "status", "redirect_status"),
    [("accept", "succeeded", "succeeded"), ("refuse", "requires_payment_method", "failed")],
)
async def test_the_bank_asks_before_a_card_is_saved(
    sandbox: Running, ada: str, outcome: str, status: str, redirect_status: str
) -> None:
    intent = await sandbox.setup(customer=ada)
    asked = await sandbox.confirm_setup(intent.id, "pm_card_authenticationRequired", return_url=RETURN_URL)
    assert asked.status == "requires_action"
    assert await cards_of(sandbox, ada) == []
    challenge = await challenge_of(asked)
    assert (await sandbox.http.get(challenge)).status_code == 200

    answer = await sandbox.http.post(challenge, data={"outcome": outcome})

    assert answer.headers["location"] == (
        f"{RETURN_URL}&setup_intent={intent.id}&setup_intent_client_secret={intent.client_secret}"
        f"&redirect_status={redirect_status}"
    )
    left = await sandbox.stripe.v1.setup_intents.retrieve_async(intent.id, {"expand": ["latest_attempt"]})
    assert left.status == status
    assert len(await cards_of(sandbox, ada)) == (outcome == "accept")
    assert isinstance(left.latest_attempt, stripe.SetupAttempt)
    if outcome == "refuse":
        assert left.last_setup_error is not None
        assert left.last_setup_error.code == "setup_intent_authentication_failure"
        assert left.latest_attempt.status == "failed"
    else:
        details = left.latest_attempt.payment_method_details.card
        assert details is not None
        assert details.three_d_secure is not None
        assert details.three_d_secure.result == "authenticated"
    assert "setup_intent.requires_action" in await sandbox.events()


@pytest.mark.parametrize(("usage", "free"), [("off_session", True), ("on_session", False)])
async def test_once_set_up_for_it_a_card_is_free_off_session(
    sandbox: Running, ada: str, usage: str, *, free: bool
) -> None:
    """`pm_card_authenticationRequiredOnSetup`; on session the bank goes on asking."""
    asked = await sandbox.setup(
        customer=ada,
        usage=usage,
        confirm=True,
        payment_method="pm_card_authenticationRequiredOnSetup",
        return_url=RETURN_URL,
    )
    await sandbox.http.post(await challenge_of(asked), data={"outcome": "accept"})
    how: Any = {"customer": ada, "confirm": True, "payment_method": asked.payment_method}

    if free:
        assert (await sandbox.intent(**how, off_session=True)).status == "succeeded"
    else:
        with pytest.raises(stripe.CardError) as caught:
            await sandbox.intent(**how, off_session=True)
        assert caught.value.code == "authentication_required"
    assert (await sandbox.intent(**how)).status == "requires_action"


@pytest.mark.parametrize("state", ["requires_payment_method", "requires_confirmation", "requires_action"])
async def test_an_open_one_is_canceled_once(sandbox: Running, ada: str, state: str) -> None:
    given: Any = {
        "requires_payment_method": {},
        "requires_confirmation": {"payment_method": "pm_card_visa"},
        "requires_action": {"payment_method": "pm_card_authenticationRequired", "confirm": True},
    }[state]
    intent = await sandbox.setup(customer=ada, **given)
    assert intent.status == state

    canceled = await sandbox.stripe.v1.setup_intents.cancel_async(
        intent.id, {"cancellation_reason": "abandoned"}
    )

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert canceled.next_action is None
    assert (await sandbox.events())[-1] == "setup_intent.canceled"
    for again in (
        sandbox.stripe.v1.setup_intents.cancel_async(intent.id),
        sandbox.confirm_setup(intent.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await again
        assert caught.value.code == "setup_intent_unexpected_state"
        assert caught.value.error is not None
        assert caught.value.error.setup_intent is not None
        assert caught.value.error.setup_intent.id == intent.id


async def test_each_attempt_is_written_down(sandbox: Running, ada: str) -> None:
    """Waiting, given up, and another one after it."""
    v1 = sandbox.stripe.v1
    latest: Any = {"expand": ["latest_attempt"]}
    asked = await sandbox.setup(
        customer=ada, confirm=True, payment_method="pm_card_authenticationRequired", **latest
    )
    assert isinstance(asked.latest_attempt, stripe.SetupAttempt)
    assert asked.latest_attempt.status == "requires_action"
    with pytest.raises(stripe.CardError):
        await sandbox.confirm_setup(asked.id, "pm_card_chargeDeclined")
    declined = (await v1.setup_intents.retrieve_async(asked.id, latest)).latest_attempt
    assert isinstance(declined, stripe.SetupAttempt)
    assert (declined.status, declined.id == asked.latest_attempt.id) == ("failed", False)
    again = await sandbox.confirm_setup(asked.id, "pm_card_authenticationRequired")

    await v1.setup_intents.cancel_async(asked.id)

    attempts = (await sandbox.state())["objects"]["setup_attempt"]
    assert [attempt["status"] for attempt in attempts] == ["abandoned", "failed", "abandoned"]
    assert attempts[-1]["id"] == again.latest_attempt


async def test_another_card_gives_up_the_attempt_before_it(sandbox: Running, ada: str) -> None:
    asked = await sandbox.setup(customer=ada, confirm=True, payment_method="pm_card_authenticationRequired")

    changed = await sandbox.stripe.v1.setup_intents.update_async(asked.id, {"payment_method": "pm_card_visa"})

    assert (changed.status, changed.next_action) == ("requires_confirmation", None)
    [attempt] = (await sandbox.state())["objects"]["setup_attempt"]
    assert attempt["status"] == "abandoned"


async def test_what_succeeded_is_not_canceled_but_labelled(sandbox: Running, ada: str) -> None:
    saved = await sandbox.setup(customer=ada, confirm=True, payment_method="pm_card_visa")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.stripe.v1.setup_intents.cancel_async(saved.id)
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.setup_intents.update_async(saved.id, {"payment_method": "pm_card_visa"})
    labelled = await sandbox.stripe.v1.setup_intents.update_async(
        saved.id, {"metadata": {"a": "b"}, "description": "Ada's"}
    )

    assert caught.value.code == "setup_intent_unexpected_state"
    assert labelled.metadata is not None
    assert (labelled.metadata["a"], labelled.description) == ("b", "Ada's")


async def test_an_open_one_is_changed(sandbox: Running, ada: str) -> None:
    intent = await sandbox.setup()

    changed = await sandbox.stripe.v1.setup_intents.update_async(
        intent.id, {"customer": ada, "payment_method": "pm_card_visa"}
    )

    assert (changed.customer, changed.status) == (ada, "requires_confirmation")
    await sandbox.stripe.v1.setup_intents.confirm_async(intent.id)
    assert await cards_of(sandbox, ada) == [changed.payment_method]


async def test_without_ruling_out_redirects_a_return_url_is_needed(sandbox: Running, ada: str) -> None:
    intent = await sandbox.stripe.v1.setup_intents.create_async({"customer": ada})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.confirm_setup(intent.id)

    assert caught.value.param == "return_url"
    assert (await sandbox.confirm_setup(intent.id, return_url=RETURN_URL)).status == "succeeded"


async def test_without_a_card_there_is_nothing_to_confirm(sandbox: Running) -> None:
    intent = await sandbox.setup()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.stripe.v1.setup_intents.confirm_async(intent.id)

    assert caught.value.code == "setup_intent_unexpected_state"


async def test_somebody_elses_card_is_refused(sandbox: Running, ada: str) -> None:
    bob = (await sandbox.stripe.v1.customers.create_async({"name": "Bob"})).id
    his = await sandbox.setup(customer=bob, confirm=True, payment_method="pm_card_visa")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.setup(customer=ada, payment_method=his.payment_method)

    assert caught.value.param == "payment_method"
    assert (await sandbox.stripe.v1.setup_intents.list_async({"customer": ada})).data == []


async def test_they_are_listed(sandbox: Running, ada: str) -> None:
    made = [(await sandbox.setup(customer=ada)).id for _ in range(3)]
    await sandbox.setup()
    saved = await sandbox.confirm_setup(made[0])
    assert isinstance(saved.payment_method, str)

    hers = await sandbox.stripe.v1.setup_intents.list_async({"customer": ada, "limit": 2})
    with_card = await sandbox.stripe.v1.setup_intents.list_async({"payment_method": saved.payment_method})

    assert [intent.id async for intent in hers.auto_paging_iter()] == made[::-1]
    assert [intent.id for intent in with_card.data] == [made[0]]


async def test_a_browser_confirms_with_the_client_secret(sandbox: Running, ada: str) -> None:
    intent = await sandbox.setup(customer=ada, metadata={"user_id": "secret"})

    async with stripe_client(sandbox.url, PUBLISHABLE_KEY) as browser:
        given: Any = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa"}
        saved = await browser.v1.setup_intents.confirm_async(intent.id, given)

        assert saved.status == "succeeded"
        assert "metadata" not in saved.to_dict()
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await browser.v1.setup_intents.confirm_async(intent.id, given)
        assert caught.value.http_body is not None
        assert "user_id" not in str(caught.value.http_body)
        with pytest.raises(stripe.InvalidRequestError) as guessed:
            await browser.v1.setup_intents.retrieve_async(intent.id, {"client_secret": "seti_x_secret_y"})
        assert guessed.value.code == "setup_intent_invalid_parameter"
        with pytest.raises(stripe.PermissionError):
            await browser.v1.setup_intents.create_async()


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"customer": "cus_unknown"}, "customer"),
        ({"payment_method": "pm_unknown"}, "payment_method"),
        ({"return_url": RETURN_URL}, "return_url"),
        ({"usage": "some_day"}, "usage"),
        ({"payment_method_types[]": "sepa_debit"}, "payment_method_types"),
        ({"off_session": "true"}, "off_session"),
        ({"on_behalf_of": "acct_1"}, "on_behalf_of"),
    ],
)
async def test_a_wrong_parameter_is_refused(sandbox: Running, params: dict[str, str], param: str) -> None:
    answer = await sandbox.http.post("/v1/setup_intents", data=params)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert "setup_intent" not in (await sandbox.state())["objects"]
