"""Whatever goes wrong at Stripe while cards are saved, chosen, removed: the same call again ends it well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from domain import methods
from domain.gateway import GatewayConfig, StripeGateway
from domain.kernel.errors import NotFound, PaymentProviderUnavailable
from domain.runtime import Runtime
from tests.house import House, Person
from tests.house.sandbox import FAULTS, SECRET_KEY, TIMEOUTS

LIST, CUSTOMER = "/v1/customers/*/payment_methods", "/v1/customers/*"
METHOD, DETACH, SETUPS = "/v1/payment_methods/*", "/v1/payment_methods/*/detach", "/v1/setup_intents"
# Where nothing is changed, before and after a commit are the same; but the SDK repeats some, and some not.
READ_FAULTS = ["reset_before_commit", "truncate_after_commit", "error_503", "rate_limit_429", "error_401"]
AFTER_COMMIT = {fault for fault in [*FAULTS, *TIMEOUTS] if fault.endswith("after_commit")}
# The SDK asks three times where it only reads.
READS = 3


async def saved(house: House, person: Person, card: str = "pm_card_visa") -> dict[str, Any]:
    """A new saved card, as its owner sees it; no event is on its way any more."""
    await house.save_card(person, card)
    newest = (await person.cards())[0]
    await house.quiet()
    return newest


async def attached(house: House) -> set[str]:
    """The ids of the cards that belong to somebody at Stripe."""
    cards = await house.stripe.objects("payment_method")
    return {card["id"] for card in cards if card["customer"] is not None}


async def stripe_id_of(house: House, card: dict[str, Any]) -> str:
    copy = await house.collection("payment_methods").find_one({"_id": card["id"]})
    return str(copy["stripe_id"])


def is_unavailable(payload: dict[str, Any]) -> bool:
    """Nothing is answered but that one may try again."""
    [error] = payload["userErrors"]
    assert payload.get("paymentMethod") is payload.get("setupIntent") is None
    return (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_PROVIDER_UNAVAILABLE")


@asynccontextmanager
async def impatient(house: House) -> AsyncIterator[Runtime]:
    """A runtime that does not wait long for Stripe."""
    config = GatewayConfig(
        secret_key=SECRET_KEY, api_base=house.sandbox.url, requests_per_second=1000, timeout_s=0.5
    )
    gateway = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    try:
        yield replace(house.runtime, gateway=gateway)
    finally:
        await gateway.close()


# ------------------------------------------------------------------ saving


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["/v1/customers", SETUPS])
async def test_the_same_call_saves_a_card_after_all(house: House, path: str, fault: str) -> None:
    ada = await house.customer()
    await house.stripe.fault("POST", path, fault)
    assert is_unavailable(await ada.create_setup_intent())

    payload = await ada.create_setup_intent()

    assert payload["userErrors"] == []
    intents = await house.stripe.objects("setup_intent")
    assert payload["setupIntent"]["clientSecret"] in {intent["client_secret"] for intent in intents}
    [customer] = await house.stripe.objects("customer")
    assert {intent["customer"] for intent in intents} == {customer["id"]}


# ------------------------------------------------------------------ the default


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_same_call_chooses_a_default_after_all(house: House, fault: str) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", CUSTOMER, fault)
    assert is_unavailable(await ada.set_default_card(card["id"]))

    payload = await ada.set_default_card(card["id"])

    assert payload == {"paymentMethod": card | {"isDefault": True}, "userErrors": []}
    [customer] = await house.stripe.objects("customer")
    assert customer["invoice_settings"]["default_payment_method"] == await stripe_id_of(house, card)
    assert await ada.cards() == [card | {"isDefault": True}]


@pytest.mark.parametrize("fault", sorted({*FAULTS} & AFTER_COMMIT))
async def test_a_default_whose_answer_was_lost_is_heard_of(house: House, fault: str) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", CUSTOMER, fault)
    assert is_unavailable(await ada.set_default_card(card["id"]))

    stripe_id = await stripe_id_of(house, card)
    await house.until(lambda: house.count("customers", default_method=stripe_id))


async def test_what_stripe_refuses_for_another_reason_is_told(house: House) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", CUSTOMER, "error_400", code="customer_tax_location_invalid")
    await house.stripe.fault("POST", DETACH, "error_400", code="payment_method_not_available")

    for payload in (await ada.set_default_card(card["id"]), await ada.remove_card(card["id"])):
        [error] = payload["userErrors"]
        assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_DECLINED")
    assert await ada.cards() == [card]


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_why_a_default_was_refused_may_stay_unknown(house: House, fault: str) -> None:
    """Stripe says no, and cannot be asked whether the card is still there."""
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", CUSTOMER, "error_400", code="resource_missing")
    await house.stripe.fault("GET", METHOD, fault, times=READS)

    assert is_unavailable(await ada.set_default_card(card["id"]))

    await house.stripe.control("/faults", method="DELETE")
    assert (await ada.set_default_card(card["id"]))["userErrors"] == []


# ------------------------------------------------------------------ removing


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_same_call_removes_a_card_after_all(house: House, fault: str) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", DETACH, fault)

    payload = await ada.remove_card(card["id"])

    if fault in AFTER_COMMIT:
        # The answer was lost, and Stripe was asked at once what became of it.
        assert payload == {"paymentMethod": card, "userErrors": []}
    else:
        assert is_unavailable(payload)
        assert await ada.cards() == [card]
        assert await ada.remove_card(card["id"]) == {"paymentMethod": card, "userErrors": []}
    assert await attached(house) == set()
    assert await ada.cards() == []


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_a_removal_is_finished_when_not_even_the_look_was_answered(house: House, fault: str) -> None:
    """Also without the event: the second detaching is refused, and the card belongs to nobody."""
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", DETACH, "reset_after_commit")
    await house.stripe.fault("GET", METHOD, fault, times=READS)

    assert is_unavailable(await ada.remove_card(card["id"]))

    await house.stripe.control("/faults", method="DELETE")
    assert await attached(house) == set()
    assert await ada.remove_card(card["id"]) == {"paymentMethod": card, "userErrors": []}
    assert await ada.cards() == []


async def test_a_removal_whose_answer_was_lost_is_heard_of(house: House) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("POST", DETACH, "reset_after_commit")
    await house.stripe.fault("GET", METHOD, "error_401")

    assert is_unavailable(await ada.remove_card(card["id"]))

    await house.until(lambda: house.count("payment_methods", removed_at={"$ne": None}))
    assert await ada.cards() == []


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize("path", [LIST, CUSTOMER])
@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_reads_go_on_while_stripe_does_not_answer(house: House, path: str, fault: str) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.webhooks(drop=1)
    await house.save_card(ada, "pm_card_mastercard")
    await house.stripe.fault("GET", path, fault, times=READS)

    assert await ada.cards() == [card]

    await house.stripe.control("/faults", method="DELETE")
    assert [one["last4"] for one in await ada.cards()] == ["4444", "4242"]


async def test_nobody_waits_long_for_a_list(house: House) -> None:
    ada = await house.customer()
    card = await saved(house, ada)
    await house.stripe.fault("GET", LIST, "latency", latency_ms=5_000)

    async with asyncio.timeout(4.5):
        assert await ada.cards() == [card]


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_an_event_waits_until_stripe_answers(house: House, fault: str) -> None:
    ada = await house.customer()
    await house.stripe.fault("GET", METHOD, fault, times=READS)

    await house.save_card(ada)

    await house.until(lambda: house.count("payment_methods", last4="4242"))
    await house.quiet()


async def test_a_call_that_is_never_answered_ends_well_too(house: House) -> None:
    """All at once, for each of them waits."""
    people = [await house.customer(name) for name in ("ada", "charles", "mary", "george")]
    cards = [await saved(house, person) for person in people]
    async with impatient(house) as runtime:
        for method, path in (("POST", CUSTOMER), ("GET", LIST)):
            for fault in TIMEOUTS:
                await house.stripe.fault(method, path, fault)
        chosen = await asyncio.gather(
            *(
                methods.set_default(runtime, person.id, card["id"])
                for person, card in zip(people, cards, strict=True)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(one, PaymentProviderUnavailable) for one in chosen) == len(TIMEOUTS)
        listed = await asyncio.gather(*(methods.of_owner(runtime, person.id) for person in people))
        assert [[one.method.id for one in page] for page in listed] == [[card["id"]] for card in cards]
        for fault in TIMEOUTS:
            await house.stripe.fault("POST", DETACH, fault)
        for _ in range(2):
            removed = await asyncio.gather(
                *(
                    methods.remove(runtime, person.id, card["id"])
                    for person, card in zip(people, cards, strict=True)
                ),
                return_exceptions=True,
            )
    assert all(isinstance(one, NotFound | methods.SavedMethod) for one in removed)
    assert await attached(house) == set()
    assert [await person.cards() for person in people] == [[]] * 4
