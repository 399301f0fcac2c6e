"""Reading: pages, filters, expansions, metadata."""

import pytest
import stripe

from tests.sandbox.running import Receiver, Running


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


async def test_balance_transactions_are_filtered_and_stable(sandbox: Running) -> None:
    v1 = sandbox.stripe.v1
    paid = await sandbox.paid("pm_card_bypassPending", amount=50_00, currency="eur")
    await sandbox.control("/clock", advance_seconds=1)
    refunds = [
        await v1.refunds.create_async({"payment_intent": paid.id, "amount": 100 + n}) for n in range(3)
    ]
    charge = str(paid.latest_charge)

    newest_first = [refund.id for refund in refunds[::-1]] + [charge]
    whole = await v1.balance_transactions.list_async({"currency": "eur"})
    paged = await v1.balance_transactions.list_async({"currency": "eur", "limit": 1})
    of_refunds = await v1.balance_transactions.list_async({"type": "refund", "expand": ["data.source"]})
    of_charge = await v1.balance_transactions.list_async({"source": charge, "expand": ["data.source"]})
    since = await v1.balance_transactions.list_async({"created": {"gte": whole.data[-1].created}})
    never = await v1.balance_transactions.list_async({"created": {"gt": whole.data[0].created}})
    in_yen = await v1.balance_transactions.list_async({"currency": "jpy"})

    assert [one.source for one in whole.data] == newest_first
    assert [one.source async for one in paged.auto_paging_iter()] == newest_first, "for equal times too"
    sources = [one.source for one in of_refunds.data]
    assert [source.id for source in sources if isinstance(source, stripe.Refund)] == newest_first[:3]
    [of_charge_source] = [one.source for one in of_charge.data]
    assert isinstance(of_charge_source, stripe.Charge)
    assert [one.source for one in since.data][:4] == newest_first
    assert (never.data, in_yen.data) == ([], [])
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await v1.balance_transactions.list_async({"payout": "po_1"})
    assert refusal.value.code == "resource_missing"


async def test_the_balance_is_told_by_currency(sandbox: Running) -> None:
    for currency, card in (("eur", "pm_card_bypassPending"), ("jpy", "pm_card_visa")):
        await sandbox.paid(card, amount=10_000, currency=currency)
    await sandbox.control("/clock", advance_seconds=1)

    balance = await sandbox.stripe.v1.balance.retrieve_async()

    net = 10_000 - 290 - 30
    assert {one.currency: one.amount for one in balance.available} == {
        "eur": net,
        "jpy": 0,
        "usd": 10_000_000_00,
    }
    assert {one.currency: one.amount for one in balance.pending} == {"eur": 0, "jpy": net, "usd": 0}
    for each in balance.to_dict()["available"] + balance.to_dict()["pending"]:
        assert each["source_types"] == {"card": each["amount"]}


async def test_events_are_filtered_by_type_time_and_delivery(sandbox: Running, receiver: Receiver) -> None:
    await sandbox.control("/webhooks", drop=1)
    paid = await sandbox.paid()
    await sandbox.control("/clock", advance_seconds=3600)
    await sandbox.idle()
    v1 = sandbox.stripe.v1

    two = await v1.events.list_async({"types": ["charge.succeeded", "payment_intent.created"]})
    new = await v1.events.list_async({"created": {"gt": paid.created + 1800}})
    late = await v1.events.list_async({"types": ["charge.updated"], "created": {"lt": paid.created + 1800}})
    missed = await v1.events.list_async({"delivery_success": False})
    fine = await v1.events.list_async({"delivery_success": True})

    assert [event.type for event in two.data] == ["charge.succeeded", "payment_intent.created"]
    assert new.data == []
    assert [event.type for event in late.data] == ["charge.updated"], "at its own time, not at the jump's end"
    assert [event.type for event in missed.data] == [
        "charge.updated",
        "payment_intent.succeeded",
        "charge.succeeded",
    ]
    assert [event.type for event in fine.data] == ["payment_intent.created"], "nobody had asked for it"
    with pytest.raises(stripe.InvalidRequestError):
        await v1.events.list_async({"types": ["charge.updated"], "type": "charge.updated"})
    with pytest.raises(stripe.InvalidRequestError):
        await v1.events.list_async({"types": [f"charge.{n}" for n in range(21)]})


async def test_an_event_names_the_request_behind_it_or_none(sandbox: Running) -> None:
    intent = await sandbox.intent()
    paid = await sandbox.stripe.v1.payment_intents.confirm_async(
        intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "deposit:1:confirm:1"}
    )
    await sandbox.control("/clock", advance_seconds=1)

    events = {event.type: event for event in (await sandbox.stripe.v1.events.list_async()).data}

    asked, automatic = events["payment_intent.succeeded"].request, events["charge.updated"].request
    assert asked is not None
    assert asked.idempotency_key == "deposit:1:confirm:1"
    assert paid.last_response is not None
    assert asked.id == paid.last_response.request_id
    assert automatic is not None
    assert (automatic.id, automatic.idempotency_key) == (None, None)
    assert events["charge.updated"].data.to_dict()["previous_attributes"] == {"balance_transaction": None}
    assert "previous_attributes" not in events["charge.succeeded"].data.to_dict()


async def test_events_are_read_for_thirty_days(sandbox: Running) -> None:
    await sandbox.intent()
    [event] = (await sandbox.stripe.v1.events.list_async()).data
    await sandbox.control("/clock", advance_seconds=29 * 86_400)
    assert (await sandbox.stripe.v1.events.retrieve_async(event.id)).id == event.id

    await sandbox.control("/clock", advance_seconds=86_401)

    assert (await sandbox.stripe.v1.events.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await sandbox.stripe.v1.events.retrieve_async(event.id)
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")
    assert [one["id"] for one in (await sandbox.state())["objects"]["event"]] == [event.id]
