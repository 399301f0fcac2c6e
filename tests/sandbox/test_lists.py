"""Reading: pages, filters, expansions, metadata."""

import pytest
import stripe

from tests.sandbox.running import Running


async def test_pages_are_newest_first_and_miss_nothing(sandbox: Running) -> None:
    made = [(await sandbox.intent(amount=100 + n)).id for n in range(7)]

    first = await sandbox.stripe.v1.payment_intents.list_async({"limit": 3})
    seen = [intent.id async for intent in first.auto_paging_iter()]

    assert first.has_more is True
    assert seen == made[::-1]
    back = await sandbox.stripe.v1.payment_intents.list_async({"limit": 2, "ending_before": made[2]})
    assert [intent.id for intent in back.data] == [made[4], made[3]]
    assert back.has_more is True


async def test_lists_are_filtered(sandbox: Running) -> None:
    ada = await sandbox.stripe.v1.customers.create_async({"email": "ada@example.com"})
    await sandbox.stripe.v1.customers.create_async({"email": "bob@example.com"})
    hers = await sandbox.intent(customer=ada.id)
    await sandbox.intent()

    by_customer = await sandbox.stripe.v1.payment_intents.list_async({"customer": ada.id})
    by_email = await sandbox.stripe.v1.customers.list_async({"email": "ada@example.com"})
    by_time = await sandbox.stripe.v1.payment_intents.list_async({"created": {"gt": hers.created + 3600}})
    by_types = await sandbox.stripe.v1.events.list_async({"types": ["customer.created"]})
    by_pattern = await sandbox.stripe.v1.events.list_async({"type": "payment_intent.*"})
    since = await sandbox.stripe.v1.events.list_async({"created": {"gte": hers.created}, "limit": 100})

    assert [intent.id for intent in by_customer.data] == [hers.id]
    assert [customer.id for customer in by_email.data] == [ada.id]
    assert by_time.data == []
    assert [event.type for event in by_types.data] == ["customer.created"] * 2
    assert len(by_pattern.data) == 2
    assert len(since.data) >= 2


async def test_objects_are_expanded_in_lists_four_levels_down(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada"})
    await sandbox.paid(customer=customer.id)
    await sandbox.control("/clock", advance_seconds=1)

    listed = await sandbox.stripe.v1.balance_transactions.list_async(
        {"type": "charge", "expand": ["data.source.payment_intent.customer"]}
    )

    charge = listed.data[0].source
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.payment_intent, stripe.PaymentIntent)
    assert isinstance(charge.payment_intent.customer, stripe.Customer)
    assert charge.payment_intent.customer.name == "Ada"


async def test_in_a_list_data_comes_first(sandbox: Running) -> None:
    await sandbox.intent()

    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.payment_intents.list_async({"expand": ["customer"]})


async def test_metadata_is_merged(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"metadata": {"a": "1", "b": "2", "c": "3"}})

    merged = await sandbox.stripe.v1.customers.update_async(customer.id, {"metadata": {"a": "9", "b": ""}})
    assert merged.metadata is not None
    assert merged.metadata.to_dict() == {"a": "9", "c": "3"}
    cleared = await sandbox.stripe.v1.customers.update_async(customer.id, {"metadata": ""})

    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}
    event = (await sandbox.stripe.v1.events.list_async({"type": "customer.updated", "limit": 1})).data[0]
    assert event.data.to_dict()["previous_attributes"] == {"metadata": {"a": "9", "c": "3"}}


async def test_an_empty_text_unsets(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada", "description": "d"})

    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.customers.update_async(customer.id, {"description": ""})


async def test_a_deleted_customer_leaves_a_tombstone(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada"})

    await sandbox.stripe.v1.customers.delete_async(customer.id)

    assert (await sandbox.stripe.v1.customers.retrieve_async(customer.id)).to_dict()["deleted"] is True
    assert (await sandbox.stripe.v1.customers.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.customers.update_async(customer.id, {"name": "Bob"})
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.intent(customer=customer.id)


async def test_an_intent_is_changed_while_it_is_open(sandbox: Running) -> None:
    intent = await sandbox.intent()

    changed = await sandbox.stripe.v1.payment_intents.update_async(intent.id, {"amount": 70_00})
    paid = await sandbox.confirm(intent.id)

    assert (changed.amount, paid.amount_received) == (70_00, 70_00)
    with pytest.raises(stripe.InvalidRequestError):
        await sandbox.stripe.v1.payment_intents.update_async(intent.id, {"amount": 80_00})
    labelled = await sandbox.stripe.v1.payment_intents.update_async(intent.id, {"metadata": {"a": "b"}})
    assert labelled.metadata["a"] == "b"
