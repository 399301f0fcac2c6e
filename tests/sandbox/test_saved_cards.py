"""A saved card pays: created and confirmed by the server in one call, the payer elsewhere."""

from typing import Any

import pytest
import stripe

from tests.sandbox.running import Running

RETURN_URL = "https://example.com/back"


@pytest.fixture
async def ada(sandbox: Running) -> str:
    return (await sandbox.stripe.v1.customers.create_async({"email": "ada@example.com"})).id


async def kept(sandbox: Running, customer: str, card: str) -> str:
    return (await sandbox.stripe.v1.payment_methods.attach_async(card, {"customer": customer})).id


async def pay(sandbox: Running, customer: str, card: str, **params: Any) -> stripe.PaymentIntent:
    """As the product does it: redirects allowed, so that 3-D Secure comes as one."""
    given: Any = {
        "amount": 50_00,
        "currency": "usd",
        "customer": customer,
        "automatic_payment_methods": {"enabled": True},
        "confirm": True,
        "payment_method": card,
        "return_url": RETURN_URL,
        **params,
    }
    return await sandbox.stripe.v1.payment_intents.create_async(given)


async def of(sandbox: Running, customer: str) -> list[stripe.PaymentIntent]:
    return (await sandbox.stripe.v1.payment_intents.list_async({"customer": customer})).data


async def test_it_pays_again_and_again(sandbox: Running, ada: str) -> None:
    card = await kept(sandbox, ada, "pm_card_visa")

    payments = [await pay(sandbox, ada, card, metadata={"n": str(n)}) for n in range(3)]

    assert {payment.status for payment in payments} == {"succeeded"}
    assert {payment.payment_method for payment in payments} == {card}


@pytest.mark.parametrize("card", ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"])
async def test_the_bank_asks_at_its_own_page(sandbox: Running, ada: str, card: str) -> None:
    saved = await kept(sandbox, ada, card)

    asked = await pay(sandbox, ada, saved)

    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.type == "redirect_to_url"
    redirect = asked.next_action.redirect_to_url
    assert redirect is not None
    assert redirect.return_url == RETURN_URL
    assert str(redirect.url).startswith(sandbox.url)
    assert asked.latest_charge is None, "nothing was charged yet"
    back = await sandbox.http.post(str(redirect.url), data={"outcome": "accept"})
    assert back.headers["location"] == (
        f"{RETURN_URL}?payment_intent={asked.id}&payment_intent_client_secret={asked.client_secret}"
        "&redirect_status=succeeded"
    )
    [left] = await of(sandbox, ada)
    assert (left.id, left.status, left.payment_method) == (asked.id, "succeeded", saved)


async def test_refused_at_the_bank_the_card_stays_and_the_intent_waits(sandbox: Running, ada: str) -> None:
    saved = await kept(sandbox, ada, "pm_card_authenticationRequired")
    asked: Any = await pay(sandbox, ada, saved)

    await sandbox.http.post(asked.next_action.redirect_to_url.url, data={"outcome": "refuse"})

    [left] = await of(sandbox, ada)
    assert (left.status, left.payment_method) == ("requires_payment_method", None)
    assert left.last_payment_error is not None
    assert left.last_payment_error.code == "payment_intent_authentication_failure"
    assert left.last_payment_error.payment_method is not None
    assert left.last_payment_error.payment_method.id == saved
    assert "charge.failed" not in await sandbox.events(), "the bank was not asked for money"
    again = await sandbox.confirm(left.id, saved, return_url=RETURN_URL)
    assert again.status == "requires_action"


async def test_a_decline_leaves_a_live_intent_that_a_list_finds(sandbox: Running, ada: str) -> None:
    card = await kept(sandbox, ada, "pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError) as caught:
        await pay(sandbox, ada, card, metadata={"deposit_id": "d1"})

    assert caught.value.http_status == 402
    error = caught.value.error
    assert error is not None
    assert error.payment_intent is not None
    [left] = await of(sandbox, ada)
    assert left.to_dict() == error.payment_intent.to_dict(), "the whole of it"
    assert (left.status, left.metadata["deposit_id"]) == ("requires_payment_method", "d1")
    assert left.last_payment_error is not None
    assert left.last_payment_error.decline_code == "generic_decline"
    other = await kept(sandbox, ada, "pm_card_visa")
    paid = await sandbox.confirm(left.id, other, return_url=RETURN_URL)
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)


async def test_off_session_a_question_is_a_decline(sandbox: Running, ada: str) -> None:
    card = await kept(sandbox, ada, "pm_card_authenticationRequired")

    with pytest.raises(stripe.CardError) as caught:
        await pay(sandbox, ada, card, off_session=True)

    assert caught.value.code == "authentication_required"
    [left] = await of(sandbox, ada)
    assert left.status == "requires_payment_method"


@pytest.mark.parametrize(("usage", "free"), [("off_session", True), ("on_session", False)])
async def test_paying_saves_a_card_for_what_it_said(
    sandbox: Running, ada: str, usage: str, *, free: bool
) -> None:
    asked: Any = await pay(sandbox, ada, "pm_card_authenticationRequiredOnSetup", setup_future_usage=usage)
    listed = await sandbox.stripe.v1.customers.payment_methods.list_async(ada)
    assert listed.data == [], "saved at success alone"
    await sandbox.http.post(asked.next_action.redirect_to_url.url, data={"outcome": "accept"})

    [card] = (await sandbox.stripe.v1.customers.payment_methods.list_async(ada)).data

    assert card.id == asked.payment_method
    if free:
        assert (await pay(sandbox, ada, card.id, off_session=True)).status == "succeeded"
    else:
        with pytest.raises(stripe.CardError):
            await pay(sandbox, ada, card.id, off_session=True)
    assert (await pay(sandbox, ada, card.id)).status == "requires_action"


async def test_a_declined_card_is_not_saved(sandbox: Running, ada: str) -> None:
    with pytest.raises(stripe.CardError):
        await pay(sandbox, ada, "pm_card_chargeDeclined", setup_future_usage="off_session")

    assert (await sandbox.stripe.v1.customers.payment_methods.list_async(ada)).data == []


@pytest.mark.parametrize("address", ["nowhere", "javascript:alert(1)", "https://a b", "//example.com"])
async def test_a_return_url_is_an_address(sandbox: Running, ada: str, address: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await pay(sandbox, ada, "pm_card_visa", return_url=address)

    assert (caught.value.code, caught.value.param) == ("url_invalid", "return_url")
    assert await of(sandbox, ada) == []


async def test_an_app_is_an_address_too(sandbox: Running, ada: str) -> None:
    asked: Any = await pay(sandbox, ada, "pm_card_authenticationRequired", return_url="jobs://back?a=b#c")

    back = await sandbox.http.post(asked.next_action.redirect_to_url.url, data={"outcome": "accept"})

    location = back.headers["location"]
    assert location.startswith("jobs://back?a=b&payment_intent=pi_")
    assert location.endswith("&redirect_status=succeeded#c")


async def test_without_a_return_url_nothing_is_created(sandbox: Running, ada: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.stripe.v1.payment_intents.create_async(
            {
                "amount": 50_00,
                "currency": "usd",
                "customer": ada,
                "confirm": True,
                "payment_method": "pm_card_visa",
            }
        )

    assert caught.value.param == "return_url"
    assert await of(sandbox, ada) == []
