"""What each of Stripe's test cards does, by Stripe's own table (docs.stripe.com/testing)."""

from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from sandbox.stripe.cards import TEMPLATES
from tests.sandbox.running import Running

RETURN_URL = "https://example.com/back"


@dataclass(frozen=True)
class Behaviour:
    """`yes`, `ask` (the bank asks first), or the decline code with which it is refused."""

    number: str
    pay: str = "yes"
    save: str = "yes"
    """By a setup intent. Attaching goes the same way, but that nobody is asked."""
    pay_saved: str = "yes"
    """Off session, after it was set up."""
    pay_asked: str = "yes"
    """On session, once the bank was told yes."""


def declining(number: str, code: str) -> Behaviour:
    return Behaviour(number, pay=code, save=code)


CARDS = {
    "pm_card_visa": Behaviour("4242424242424242"),
    "pm_card_mastercard": Behaviour("5555555555554444"),
    "pm_card_chargeDeclined": declining("4000000000000002", "generic_decline"),
    "pm_card_visa_chargeDeclined": declining("4000000000000002", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": declining("4000000000009995", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": declining("4000000000009995", "insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": declining("4000000000009987", "lost_card"),
    "pm_card_visa_chargeDeclinedLostCard": declining("4000000000009987", "lost_card"),
    "pm_card_chargeDeclinedStolenCard": declining("4000000000009979", "stolen_card"),
    "pm_card_visa_chargeDeclinedStolenCard": declining("4000000000009979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": declining("4000000000000069", "expired_card"),
    "pm_card_visa_chargeDeclinedExpiredCard": declining("4000000000000069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": declining("4000000000000127", "incorrect_cvc"),
    "pm_card_visa_chargeDeclinedIncorrectCvc": declining("4000000000000127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": declining("4000000000000119", "processing_error"),
    "pm_card_visa_chargeDeclinedProcessingError": declining("4000000000000119", "processing_error"),
    "pm_card_chargeCustomerFail": Behaviour(
        "4000000000000341", pay="generic_decline", pay_saved="generic_decline"
    ),
    "pm_card_radarBlock": Behaviour("4100000000000019", pay="fraudulent", pay_saved="fraudulent"),
    "pm_card_authenticationRequired": Behaviour(
        "4000002760003184", pay="ask", save="ask", pay_saved="authentication_required"
    ),
    "pm_card_authenticationRequiredOnSetup": Behaviour("4000002500003155", pay="ask", save="ask"),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Behaviour(
        "4000008260003178",
        pay="ask",
        save="ask",
        pay_saved="authentication_required",
        pay_asked="insufficient_funds",
    ),
    "pm_card_threeDSecure2Required": Behaviour(
        "4000000000003220", pay="ask", save="ask", pay_saved="authentication_required"
    ),
    "pm_card_threeDSecureOptional": Behaviour("4000000000003055"),
    "pm_card_bypassPending": Behaviour("4000000000000077"),
    "pm_card_pendingRefund": Behaviour("4000000000007726"),
    "pm_card_refundFail": Behaviour("4000000000005126"),
    "pm_card_createDispute": Behaviour("4000000000000259"),
    "pm_card_createDisputeProductNotReceived": Behaviour("4000000000002685"),
    "pm_card_createDisputeInquiry": Behaviour("4000000000001976"),
}
OF_EVERY_CARD = pytest.mark.parametrize("card", CARDS)


def refusal(error: stripe.CardError) -> str:
    assert error.http_status == 402
    assert error.error is not None
    return str(error.error.decline_code)


async def customer_of(sandbox: Running) -> str:
    return (await sandbox.stripe.v1.customers.create_async({"name": "Ada"})).id


async def answered(sandbox: Running, intent: stripe.PaymentIntent | stripe.SetupIntent) -> None:
    """The bank was told yes."""
    assert intent.status == "requires_action"
    action = intent.to_dict()["next_action"]
    await sandbox.http.post(action["redirect_to_url"]["url"], data={"outcome": "accept"})


async def paid(sandbox: Running, card: str, **params: Any) -> str:
    """How paying went, in the words of the table."""
    try:
        intent = await sandbox.intent(
            confirm=True, payment_method=card, **({"return_url": RETURN_URL} | params)
        )
    except stripe.CardError as error:
        return refusal(error)
    if intent.status == "succeeded":
        return "yes"
    await answered(sandbox, intent)
    left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)
    failure = left.last_payment_error
    assert (failure.decline_code if failure else "yes") == CARDS[card].pay_asked
    return "ask"


async def saved(sandbox: Running, card: str, customer: str) -> tuple[str, str | None]:
    """How setting it up went, and the saved card."""
    try:
        intent = await sandbox.setup(
            customer=customer, confirm=True, payment_method=card, return_url=RETURN_URL
        )
    except stripe.CardError as error:
        return refusal(error), None
    how = "yes"
    if intent.status != "succeeded":
        await answered(sandbox, intent)
        how = "ask"
    listed = await sandbox.stripe.v1.customers.payment_methods.list_async(customer, {"type": "card"})
    assert [one.id for one in listed.data] == [intent.payment_method]
    return how, str(intent.payment_method)


def test_every_card_is_in_the_table() -> None:
    assert TEMPLATES.keys() == CARDS.keys()


@OF_EVERY_CARD
async def test_paying(sandbox: Running, card: str) -> None:
    assert await paid(sandbox, card) == CARDS[card].pay


@OF_EVERY_CARD
async def test_setting_up_and_paying_off_session_after_it(sandbox: Running, card: str) -> None:
    customer = await customer_of(sandbox)

    how, kept = await saved(sandbox, card, customer)

    assert how == CARDS[card].save
    if kept is not None:
        later = await paid(sandbox, kept, customer=customer, off_session=True)
        assert later == CARDS[card].pay_saved


@OF_EVERY_CARD
async def test_attaching(sandbox: Running, card: str) -> None:
    """The bank is told of it, the cardholder is not asked."""
    customer = await customer_of(sandbox)
    attaching = sandbox.stripe.v1.payment_methods.attach_async(card, {"customer": customer})

    if CARDS[card].save not in {"yes", "ask"}:
        with pytest.raises(stripe.CardError) as caught:
            await attaching
        assert refusal(caught.value) == CARDS[card].save
        return
    attached = await attaching

    assert attached.card is not None
    assert attached.card.last4 == CARDS[card].number[-4:]
    assert attached.id != card, "a template is cloned"


@OF_EVERY_CARD
async def test_its_number_is_the_same_card(sandbox: Running, card: str) -> None:
    made = await sandbox.stripe.v1.payment_methods.create_async(
        {"type": "card", "card": {"number": CARDS[card].number, "exp_month": 12, "exp_year": 2034}}
    )
    named = await sandbox.stripe.v1.payment_methods.retrieve_async(card)

    assert made.card is not None
    assert named.card is not None
    assert made.card.fingerprint == named.card.fingerprint


@pytest.mark.parametrize(
    ("card", "wish", "flow"),
    [
        ("pm_card_threeDSecureOptional", "automatic", None),
        ("pm_card_threeDSecureOptional", "any", "frictionless"),
        ("pm_card_threeDSecureOptional", "challenge", "challenge"),
        ("pm_card_authenticationRequired", "automatic", "challenge"),
        ("pm_card_visa", "any", None),
        ("pm_card_visa", "challenge", None),
    ],
)
async def test_the_bank_makes_sure_as_it_is_asked_to(
    sandbox: Running, card: str, wish: str, flow: str | None
) -> None:
    """Frictionless: authenticated without a question."""
    options = {"card": {"request_three_d_secure": wish}}
    intent = await sandbox.intent(
        confirm=True, payment_method=card, return_url=RETURN_URL, payment_method_options=options
    )
    if flow == "challenge":
        await answered(sandbox, intent)

    left = await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})

    assert left.status == "succeeded"
    assert isinstance(left.latest_charge, stripe.Charge)
    details = left.latest_charge.payment_method_details
    assert details is not None
    assert details.card is not None
    done = details.card.three_d_secure
    assert (done.authentication_flow if done else None) == flow
