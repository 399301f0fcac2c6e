"""Checkout Sessions: the hosted page, what becomes of a session, and what is told of it."""

from typing import Any

import pytest
import stripe

from tests.sandbox.running import Running

SUCCESS_URL = "https://example.com/done?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "https://example.com/deposits"


def ordered(amount: int = 25_00, currency: str = "usd", **params: Any) -> Any:
    """The parameters of a session as a wallet makes one."""
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "<b>Deposit</b>"}}
    return {
        "mode": "payment",
        "success_url": SUCCESS_URL,
        "cancel_url": CANCEL_URL,
        "line_items": [{"quantity": 1, "price_data": price}],
        **params,
    }


async def opened(sandbox: Running, **params: Any) -> stripe.checkout.Session:
    return await sandbox.stripe.v1.checkout.sessions.create_async(ordered(**params))


async def told(sandbox: Running) -> list[str]:
    """The events so far, but for those that time brings."""
    return [event for event in await sandbox.events() if event not in {"charge.updated", "customer.created"}]


async def test_a_session_is_paid(sandbox: Running) -> None:
    sessions = sandbox.stripe.v1.checkout.sessions
    ada = await sandbox.stripe.v1.customers.create_async({"email": "ada@example.com"})
    session = await opened(
        sandbox,
        customer=ada.id,
        client_reference_id="dep_1",
        metadata={"deposit_id": "dep_1"},
        payment_intent_data={"metadata": {"deposit_id": "dep_1"}, "transfer_group": "dep_1"},
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.amount_subtotal, session.currency) == (25_00, 25_00, "usd")
    assert session.url == f"{sandbox.url}/c/pay/{session.id}"

    await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid")

    paid = await sessions.retrieve_async(session.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    intent: Any = paid.payment_intent
    assert (intent.status, intent.amount_received, intent.customer) == ("succeeded", 25_00, ada.id)
    assert (intent.metadata["deposit_id"], intent.transfer_group) == ("dep_1", "dep_1")
    assert await told(sandbox) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


async def test_a_session_expires_by_request(sandbox: Running) -> None:
    """... and its intent with it, which nobody else may cancel or confirm."""
    v1 = sandbox.stripe.v1
    session = await opened(sandbox)
    declined = await sandbox.control(f"/checkout/sessions/{session.id}", outcome="declined")
    intent = declined["payment_intent"]
    for forbidden in (v1.payment_intents.cancel_async(intent), sandbox.confirm(intent)):
        with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
            await forbidden

    expired = await v1.checkout.sessions.expire_async(session.id)

    assert (expired.status, expired.payment_status, expired.url) == ("expired", "unpaid", None)
    assert (await v1.payment_intents.retrieve_async(intent)).status == "canceled"
    assert (await told(sandbox))[-2:] == ["payment_intent.canceled", "checkout.session.expired"]
    with pytest.raises(stripe.InvalidRequestError, match="This Checkout Session has a status of `expired`"):
        await v1.checkout.sessions.expire_async(session.id)
