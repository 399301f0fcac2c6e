"""Cards that are kept: whose they are, and whose no more."""

import pytest
import stripe

from tests.sandbox.running import Running


@pytest.fixture
async def ada(sandbox: Running) -> str:
    return (await sandbox.stripe.v1.customers.create_async({"name": "Ada"})).id


@pytest.fixture
async def bob(sandbox: Running) -> str:
    return (await sandbox.stripe.v1.customers.create_async({"name": "Bob"})).id


async def attached(sandbox: Running, customer: str, card: str = "pm_card_visa") -> str:
    return (await sandbox.stripe.v1.payment_methods.attach_async(card, {"customer": customer})).id


async def default_of(sandbox: Running, customer: str) -> str | None:
    settings = (await sandbox.stripe.v1.customers.retrieve_async(customer)).invoice_settings
    assert settings is not None
    assert settings.default_payment_method is None or isinstance(settings.default_payment_method, str)
    return settings.default_payment_method


async def set_default(sandbox: Running, customer: str, card: str) -> stripe.Customer:
    return await sandbox.stripe.v1.customers.update_async(
        customer, {"invoice_settings": {"default_payment_method": card}}
    )


async def test_cards_are_listed_by_customer_and_type(sandbox: Running, ada: str, bob: str) -> None:
    hers = [await attached(sandbox, ada), await attached(sandbox, ada, "pm_card_mastercard")]
    his = await attached(sandbox, bob)
    await sandbox.stripe.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_visa"}})
    v1 = sandbox.stripe.v1

    below = await v1.customers.payment_methods.list_async(ada, {"type": "card"})
    beside = await v1.payment_methods.list_async({"customer": bob})
    others = await v1.customers.payment_methods.list_async(ada, {"type": "sepa_debit"})
    page = await v1.customers.payment_methods.list_async(ada, {"limit": 1})
    nobodys = await v1.payment_methods.list_async()

    assert [card.id for card in below.data] == hers[::-1]
    assert [card.id for card in beside.data] == [his]
    assert (others.data, nobodys.data) == ([], [])
    assert [card.id async for card in page.auto_paging_iter()] == hers[::-1]


async def test_somebody_elses_card_is_out_of_reach(sandbox: Running, ada: str, bob: str) -> None:
    hers = await attached(sandbox, ada)
    v1 = sandbox.stripe.v1

    with pytest.raises(stripe.InvalidRequestError) as attaching:
        await v1.payment_methods.attach_async(hers, {"customer": bob})
    with pytest.raises(stripe.InvalidRequestError) as looking:
        await v1.customers.payment_methods.retrieve_async(bob, hers)
    with pytest.raises(stripe.InvalidRequestError) as choosing:
        await set_default(sandbox, bob, hers)
    with pytest.raises(stripe.InvalidRequestError) as paying:
        await sandbox.intent(customer=bob, confirm=True, payment_method=hers)
    with pytest.raises(stripe.InvalidRequestError) as paying_for_nobody:
        await sandbox.intent(confirm=True, payment_method=hers)

    assert attaching.value.http_status == 400
    assert (looking.value.http_status, looking.value.code) == (404, "resource_missing")
    assert choosing.value.code == "resource_missing"
    assert paying.value.param == paying_for_nobody.value.param == "payment_method"
    assert (await v1.payment_intents.list_async()).data == []
    assert (await v1.payment_methods.retrieve_async(hers)).customer == ada
    assert await default_of(sandbox, bob) is None


async def test_a_detached_card_is_good_for_nothing(sandbox: Running, ada: str, bob: str) -> None:
    card = await attached(sandbox, ada)
    v1 = sandbox.stripe.v1

    detached = await v1.payment_methods.detach_async(card)

    assert detached.customer is None
    assert (await v1.customers.payment_methods.list_async(ada)).data == []
    for customer in (ada, bob):
        with pytest.raises(stripe.InvalidRequestError):
            await v1.payment_methods.attach_async(card, {"customer": customer})
        with pytest.raises(stripe.InvalidRequestError):
            await sandbox.intent(customer=customer, confirm=True, payment_method=card)
        with pytest.raises(stripe.InvalidRequestError):
            await sandbox.setup(customer=customer, confirm=True, payment_method=card)
    with pytest.raises(stripe.InvalidRequestError):
        await v1.payment_methods.detach_async(card)
    event = (await v1.events.list_async({"type": "payment_method.detached"})).data[0]
    assert event.data.to_dict()["previous_attributes"] == {"customer": ada}


async def test_a_default_is_set_and_cleared(sandbox: Running, ada: str) -> None:
    """ "" clears, as Stripe's own people say, though its specification leaves that out."""
    card = await attached(sandbox, ada)
    await set_default(sandbox, ada, card)
    assert await default_of(sandbox, ada) == card

    cleared = await set_default(sandbox, ada, "")

    assert cleared.invoice_settings is not None
    assert cleared.invoice_settings.default_payment_method is None
    assert await default_of(sandbox, ada) is None
    event = (await sandbox.stripe.v1.events.list_async({"type": "customer.updated", "limit": 1})).data[0]
    assert event.data.to_dict()["previous_attributes"] == {
        "invoice_settings": {"default_payment_method": card}
    }


async def test_the_default_goes_with_its_card_and_no_other(sandbox: Running, ada: str) -> None:
    kept, other = await attached(sandbox, ada), await attached(sandbox, ada)
    await set_default(sandbox, ada, kept)

    await sandbox.stripe.v1.payment_methods.detach_async(other)
    assert await default_of(sandbox, ada) == kept
    await sandbox.stripe.v1.payment_methods.detach_async(kept)

    assert await default_of(sandbox, ada) is None


async def test_a_card_of_nobody_is_not_changed(sandbox: Running, ada: str) -> None:
    loose = await sandbox.stripe.v1.payment_methods.create_async(
        {"type": "card", "card": {"token": "tok_visa"}}
    )
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.payment_methods.update_async(loose.id, {"metadata": {"a": "b"}})

    await sandbox.stripe.v1.payment_methods.attach_async(loose.id, {"customer": ada})

    changed = await sandbox.stripe.v1.payment_methods.update_async(loose.id, {"metadata": {"a": "b"}})
    assert changed.metadata is not None
    assert changed.metadata["a"] == "b"
