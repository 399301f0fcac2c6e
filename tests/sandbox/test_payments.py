"""Cards that pay, cards that do not, and what is left of each try."""

import asyncio
from typing import Any

import pytest
import stripe

from tests.sandbox.running import PUBLISHABLE_KEY, Running, stripe_client

DECLINES = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", "processing_error"),
    "pm_card_chargeCustomerFail": ("card_declined", "generic_decline"),
    "pm_card_radarBlock": ("card_declined", "fraudulent"),
}


async def test_a_card_pays(sandbox: Running) -> None:
    intent = await sandbox.intent(amount=123_45, metadata={"deposit_id": "d1"}, transfer_group="g")
    assert intent.status == "requires_payment_method"

    paid = await sandbox.confirm(intent.id)

    assert (paid.status, paid.amount_received) == ("succeeded", 123_45)
    assert isinstance(paid.latest_charge, str)
    charge = await sandbox.stripe.v1.charges.retrieve_async(paid.latest_charge)
    assert (charge.amount, charge.status, charge.payment_intent) == (123_45, "succeeded", intent.id)
    assert charge.metadata["deposit_id"] == "d1"
    assert charge.balance_transaction is None, "it comes later"
    assert await sandbox.events() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]


async def test_the_balance_transaction_comes_a_moment_later(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=100_00)
    before = await sandbox.stripe.v1.balance.retrieve_async()

    await sandbox.control("/clock", advance_seconds=1)

    expanded = await sandbox.stripe.v1.payment_intents.retrieve_async(
        paid.id, {"expand": ["latest_charge.balance_transaction"]}
    )
    charge = expanded.latest_charge
    assert isinstance(charge, stripe.Charge)
    booked = charge.balance_transaction
    assert isinstance(booked, stripe.BalanceTransaction)
    assert (booked.amount, booked.fee, booked.net) == (100_00, 3_20, 96_80)
    assert (booked.status, booked.type, booked.source) == ("pending", "charge", charge.id)
    after = await sandbox.stripe.v1.balance.retrieve_async()
    assert after.pending[0].amount - before.pending[0].amount == 96_80
    assert after.available[0].amount == before.available[0].amount
    last = (await sandbox.stripe.v1.events.list_async({"type": "charge.updated"})).data[0]
    assert last.data.previous_attributes is not None
    assert last.data.previous_attributes["balance_transaction"] is None
    assert last.request is not None
    assert last.request.id is None, "time did it, not a request"


@pytest.mark.parametrize(
    ("currency", "amount", "fee"),
    [
        ("usd", 105_00, 3_35),
        ("jpy", 10_500, 335),
        ("isk", 10_500_00, 305_00),
        ("kwd", 10_500, 330),
        ("huf", 10_500_45, 304_81),
    ],
)
async def test_a_fee_is_an_amount_of_its_currency(
    sandbox: Running, currency: str, amount: int, fee: int
) -> None:
    """2.9 % and 30, to the nearest krona or hundredth of a dinar."""
    await sandbox.paid(amount=amount, currency=currency)
    await sandbox.control("/clock", advance_seconds=1)

    [booked] = (await sandbox.stripe.v1.balance_transactions.list_async({"type": "charge"})).data
    assert (booked.currency, booked.amount, booked.fee) == (currency, amount, fee)
    balance = await sandbox.stripe.v1.balance.retrieve_async()
    pending = {one.currency: one.amount for one in balance.pending}
    assert pending == {"usd": 0} | {currency: amount - fee}


async def test_pending_money_becomes_available(sandbox: Running) -> None:
    await sandbox.paid(amount=100_00)

    await sandbox.control("/clock", advance_seconds=3 * 86_400)

    balance = await sandbox.stripe.v1.balance.retrieve_async()
    assert balance.pending[0].amount == 0
    assert balance.available[0].amount == 10_000_000_00 + 96_80
    assert "balance.available" in await sandbox.events()


async def test_one_card_skips_pending(sandbox: Running) -> None:
    await sandbox.paid("pm_card_bypassPending", amount=100_00)

    await sandbox.control("/clock", advance_seconds=1)

    balance = await sandbox.stripe.v1.balance.retrieve_async()
    assert balance.available[0].amount == 10_000_000_00 + 96_80


@pytest.mark.parametrize("card", DECLINES)
async def test_a_card_is_declined(sandbox: Running, card: str) -> None:
    intent = await sandbox.intent()

    with pytest.raises(stripe.CardError) as caught:
        await sandbox.confirm(intent.id, card)

    error = caught.value.error
    assert error is not None
    assert (caught.value.code, error.decline_code) == DECLINES[card]
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
    assert left.last_payment_error is not None
    assert left.last_payment_error.decline_code == DECLINES[card][1]
    assert left.payment_method is None
    assert await sandbox.events() == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


async def test_after_a_decline_another_card_pays_the_same_intent(sandbox: Running) -> None:
    intent = await sandbox.intent()
    with pytest.raises(stripe.CardError):
        await sandbox.confirm(intent.id, "pm_card_chargeDeclined")

    paid = await sandbox.confirm(intent.id)

    assert paid.status == "succeeded"
    assert paid.last_payment_error is None
    charges = await sandbox.stripe.v1.charges.list_async({"payment_intent": intent.id})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]


async def test_created_and_confirmed_in_one_call_a_declined_intent_lives_on(sandbox: Running) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await sandbox.intent(confirm=True, payment_method="pm_card_chargeDeclined")

    error = caught.value.error
    assert error is not None
    assert error.payment_intent is not None
    left = await sandbox.stripe.v1.payment_intents.retrieve_async(error.payment_intent.id)
    assert left.status == "requires_payment_method"


async def test_confirming_and_canceling_race_to_one_end(sandbox: Running) -> None:
    for _ in range(10):
        intent = await sandbox.intent()

        ends = await asyncio.gather(
            sandbox.confirm(intent.id),
            sandbox.stripe.v1.payment_intents.cancel_async(intent.id),
            return_exceptions=True,
        )

        won = [end.status for end in ends if isinstance(end, stripe.PaymentIntent)]
        lost = [end for end in ends if isinstance(end, stripe.InvalidRequestError)]
        left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
        assert won == [left.status]
        assert [error.code for error in lost] == ["payment_intent_unexpected_state"]


IN_STATE: dict[str, Any] = {
    "requires_payment_method": {},
    "requires_confirmation": {"payment_method": "pm_card_visa"},
    "requires_action": {"payment_method": "pm_card_authenticationRequired", "confirm": True},
}


@pytest.mark.parametrize("state", IN_STATE)
@pytest.mark.parametrize("reason", ["abandoned", "duplicate", "fraudulent", "requested_by_customer", None])
async def test_an_open_intent_is_canceled_once(sandbox: Running, state: str, reason: Any) -> None:
    intent = await sandbox.intent(**IN_STATE[state])
    assert intent.status == state

    canceled = await sandbox.stripe.v1.payment_intents.cancel_async(
        intent.id, {"cancellation_reason": reason} if reason else {}
    )

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", reason)
    assert canceled.next_action is None
    assert canceled.canceled_at is not None
    assert (await sandbox.events())[-1] == "payment_intent.canceled"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"


async def test_after_a_decline_an_intent_is_canceled_too(sandbox: Running) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await sandbox.intent(confirm=True, payment_method="pm_card_chargeDeclined")
    assert declined.value.error is not None
    assert declined.value.error.payment_intent is not None

    canceled = await sandbox.stripe.v1.payment_intents.cancel_async(declined.value.error.payment_intent.id)

    assert canceled.status == "canceled"


async def test_what_succeeded_is_not_canceled(sandbox: Running) -> None:
    paid = await sandbox.paid()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.stripe.v1.payment_intents.cancel_async(paid.id)

    assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")
    error = caught.value.error
    assert error is not None
    assert error.payment_intent is not None
    assert (error.payment_intent.id, error.payment_intent.status) == (paid.id, "succeeded")
    assert "payment_intent.canceled" not in await sandbox.events()


async def test_without_ruling_out_redirects_a_return_url_is_needed(sandbox: Running) -> None:
    intent = await sandbox.stripe.v1.payment_intents.create_async({"amount": 50_00, "currency": "usd"})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.confirm(intent.id)

    assert caught.value.param == "return_url"
    paid = await sandbox.confirm(intent.id, return_url="https://example.com/back")
    assert paid.status == "succeeded"


@pytest.mark.parametrize(
    ("outcome", "status"), [("accept", "succeeded"), ("refuse", "requires_payment_method")]
)
async def test_the_bank_asks_the_cardholder(sandbox: Running, outcome: str, status: str) -> None:
    intent = await sandbox.intent()
    asked = await sandbox.confirm(
        intent.id, "pm_card_authenticationRequired", return_url="https://example.com/back?a=b"
    )
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    redirect = asked.next_action.redirect_to_url
    assert redirect is not None
    assert redirect.url is not None
    page = await sandbox.http.get(redirect.url)
    assert page.status_code == 200

    answer = await sandbox.http.post(redirect.url, data={"outcome": outcome})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://example.com/back?a=b&payment_intent=pi_")
    left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
    assert left.status == status
    assert (await sandbox.http.get(redirect.url)).status_code == 410, "asked once"


async def test_a_bank_that_asks_can_decline_all_the_same(sandbox: Running) -> None:
    intent = await sandbox.intent()
    card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
    asked = await sandbox.confirm(intent.id, card, use_stripe_sdk=True)
    assert asked.next_action is not None
    url = asked.next_action.to_dict()["use_stripe_sdk"]["stripe_js"]

    await sandbox.http.post(url, data={"outcome": "accept"})

    left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
    assert left.last_payment_error is not None
    assert left.last_payment_error.decline_code == "insufficient_funds"


async def test_nobody_can_be_asked_off_session(sandbox: Running) -> None:
    intent = await sandbox.intent()

    with pytest.raises(stripe.CardError) as caught:
        await sandbox.confirm(intent.id, "pm_card_authenticationRequired", off_session=True)

    assert caught.value.code == "authentication_required"


async def test_a_card_is_saved_and_used_again(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"email": "ada@example.com"})
    saving = await sandbox.intent(customer=customer.id, setup_future_usage="off_session")
    paid = await sandbox.confirm(saving.id)
    cards = await sandbox.stripe.v1.customers.payment_methods.list_async(customer.id, {"type": "card"})
    assert [card.id for card in cards.data] == [paid.payment_method]
    assert cards.data[0].card is not None
    assert cards.data[0].card.last4 == "4242"

    again = await sandbox.intent(
        customer=customer.id, confirm=True, payment_method=cards.data[0].id, off_session=True
    )

    assert again.status == "succeeded"
    assert "payment_method.attached" in await sandbox.events()


async def test_an_unsaved_card_pays_once(sandbox: Running) -> None:
    paid = await sandbox.paid()
    another = await sandbox.intent()
    assert isinstance(paid.payment_method, str)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.confirm(another.id, paid.payment_method)

    assert caught.value.code == "payment_method_unexpected_state"


async def test_a_detached_card_never_pays_again(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"payment_method": "pm_card_visa"})
    card = (await sandbox.stripe.v1.customers.payment_methods.list_async(customer.id)).data[0]
    await sandbox.stripe.v1.customers.update_async(
        customer.id, {"invoice_settings": {"default_payment_method": card.id}}
    )

    detached = await sandbox.stripe.v1.payment_methods.detach_async(card.id)

    assert detached.customer is None
    left = await sandbox.stripe.v1.customers.retrieve_async(customer.id)
    assert left.invoice_settings is not None
    assert left.invoice_settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.paid(card.id, customer=customer.id)


async def test_a_declining_card_is_not_saved(sandbox: Running) -> None:
    with pytest.raises(stripe.CardError):
        await sandbox.stripe.v1.customers.create_async({"payment_method": "pm_card_chargeDeclined"})

    assert (await sandbox.stripe.v1.customers.list_async()).data == []


async def test_cards_not_played_here_are_unknown(sandbox: Running) -> None:
    intent = await sandbox.intent()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sandbox.confirm(intent.id, "pm_card_threeDSecureRequired")

    assert (caught.value.code, caught.value.http_status) == ("resource_missing", 400)


async def test_a_raw_test_number_makes_a_card(sandbox: Running) -> None:
    made = await sandbox.stripe.v1.payment_methods.create_async(
        {
            "type": "card",
            "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"},
        }
    )

    assert (await sandbox.paid(made.id)).status == "succeeded"


async def test_a_browser_confirms_with_the_client_secret(sandbox: Running) -> None:
    intent = await sandbox.intent(metadata={"deposit_id": "secret"})

    async with stripe_client(sandbox.url, PUBLISHABLE_KEY) as browser:
        given: Any = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa"}
        paid = await browser.v1.payment_intents.confirm_async(intent.id, given)

        assert paid.status == "succeeded"
        assert "metadata" not in paid.to_dict()
        with pytest.raises(stripe.InvalidRequestError) as again:
            await browser.v1.payment_intents.confirm_async(intent.id, given)
        assert again.value.code == "payment_intent_unexpected_state"
        assert "deposit_id" not in str(again.value.http_body)
        with pytest.raises(stripe.InvalidRequestError):
            await browser.v1.payment_intents.retrieve_async(intent.id, {"client_secret": "pi_x_secret_y"})
        with pytest.raises(stripe.InvalidRequestError):
            await browser.v1.payment_intents.retrieve_async(intent.id)
        with pytest.raises(stripe.PermissionError):
            await browser.v1.customers.create_async()
