"""Checkout Sessions: the hosted page, what becomes of a session, and what is told of it."""

import re
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


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
@pytest.mark.parametrize("by_clock", [True, False])
async def test_a_bank_answers_days_later(sandbox: Running, outcome: str, by_clock: bool) -> None:
    """Complete and unpaid at first; paid, or not, when the bank has answered."""
    session = await opened(sandbox)
    number = "000123456789" if outcome == "succeeded" else "000222222227"
    sent = await sandbox.http.post(f"/c/pay/{session.id}", data={"bank": number})
    assert sent.headers["location"] == SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)
    waiting = await sandbox.stripe.v1.checkout.sessions.retrieve_async(session.id)
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
    intent = await sandbox.stripe.v1.payment_intents.retrieve_async(str(waiting.payment_intent))
    assert intent.status == "processing"

    if by_clock:
        await sandbox.control("/clock", advance_seconds=4 * 86_400)
    else:
        await sandbox.control(f"/checkout/sessions/{session.id}", outcome=f"paid_later_{outcome}")

    after = await sandbox.stripe.v1.checkout.sessions.retrieve_async(session.id)
    assert (after.status, after.payment_status) == (
        "complete",
        "paid" if outcome == "succeeded" else "unpaid",
    )
    intent = await sandbox.stripe.v1.payment_intents.retrieve_async(str(after.payment_intent))
    assert intent.status == ("succeeded" if outcome == "succeeded" else "requires_payment_method")
    succeeded = ["charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"]
    failed = ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"]
    assert await told(sandbox) == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "checkout.session.completed",
        *(succeeded if outcome == "succeeded" else failed),
    ]
    again = await sandbox.http.post(
        f"/_sandbox/checkout/sessions/{session.id}", json={"outcome": "paid_later_succeeded"}
    )
    assert again.status_code == 400, "a bank answers once"


async def test_money_from_a_bank_is_a_payment(sandbox: Running) -> None:
    """... with a fee of its own, and so is what goes back."""
    v1 = sandbox.stripe.v1
    session = await opened(sandbox)
    await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid_later")
    done = await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid_later_succeeded")
    await sandbox.control("/clock", advance_seconds=1)
    refund = await v1.refunds.create_async({"payment_intent": done["payment_intent"], "amount": 5_00})
    assert refund.status == "pending"

    [back, paid, _float] = (await v1.balance_transactions.list_async()).data

    assert (paid.type, paid.reporting_category, paid.amount, paid.fee) == ("payment", "charge", 25_00, 20)
    assert (back.type, back.reporting_category, back.net) == ("payment_refund", "refund", -5_00)
    assert [str(one.source)[:3] for one in (back, paid)] == ["pyr", "py_"]
    disputed = await sandbox.http.post(f"/_sandbox/charges/{paid.source}/dispute", json={})
    assert disputed.status_code == 400, "disputes of debits are not played"


async def test_time_closes_only_what_is_open(sandbox: Running) -> None:
    sessions = sandbox.stripe.v1.checkout.sessions
    soon = (await opened(sandbox)).created + 30 * 60 + 60
    paid, untouched, declined = [await opened(sandbox, expires_at=soon) for _ in range(3)]
    await sandbox.control(f"/checkout/sessions/{paid.id}", outcome="paid")
    tried = await sandbox.control(f"/checkout/sessions/{declined.id}", outcome="declined")

    await sandbox.control("/clock", advance_seconds=30 * 60 + 60)

    assert [(await sessions.retrieve_async(one.id)).status for one in (paid, untouched, declined)] == [
        "complete",
        "expired",
        "expired",
    ]
    intent = await sandbox.stripe.v1.payment_intents.retrieve_async(tried["payment_intent"])
    assert intent.status == "canceled"
    assert [one.id for one in (await sessions.list_async({"status": "expired"})).data] == [
        declined.id,
        untouched.id,
    ]


async def test_a_declined_person_pays_with_another_card(sandbox: Running) -> None:
    """One payment intent for all tries."""
    session = await opened(sandbox)
    page = f"/c/pay/{session.id}"
    shown = (await sandbox.http.get(page)).text
    assert "25.00 USD" in shown
    assert "&lt;b&gt;Deposit" in shown
    assert CANCEL_URL in shown
    assert "<script" not in shown

    declined = await sandbox.http.post(page, data={"card": "pm_card_chargeDeclinedInsufficientFunds"})

    assert (declined.status_code, declined.headers["location"]) == (303, page)
    assert "Your card has insufficient funds." in (await sandbox.http.get(page)).text
    tried = await sandbox.stripe.v1.checkout.sessions.retrieve_async(session.id)
    assert (tried.status, tried.payment_status) == ("open", "unpaid")
    done = await sandbox.http.post(page, data={"card": "pm_card_visa"})
    assert done.headers["location"] == SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)
    paid = await sandbox.stripe.v1.checkout.sessions.retrieve_async(session.id)
    assert paid.payment_intent == tried.payment_intent
    over = await sandbox.http.get(page)
    assert "Paid" in over.text
    assert "<button" not in over.text


@pytest.mark.parametrize("answer", ["accept", "refuse"])
async def test_a_bank_asks_and_sends_the_person_back(sandbox: Running, answer: str) -> None:
    session = await opened(sandbox)
    asked = await sandbox.http.post(f"/c/pay/{session.id}", data={"card": "pm_card_authenticationRequired"})
    challenge = asked.headers["location"]
    assert "/3ds/" in challenge

    back = (await sandbox.http.post(challenge, data={"outcome": answer})).headers["location"]
    onward = (await sandbox.http.get(back)).headers["location"]

    after = await sandbox.stripe.v1.checkout.sessions.retrieve_async(session.id)
    if answer == "accept":
        assert onward == SUCCESS_URL.replace("{CHECKOUT_SESSION_ID}", session.id)
        assert (after.status, after.payment_status) == ("complete", "paid")
    else:
        assert onward == f"/c/pay/{session.id}"
        assert (after.status, after.payment_status) == ("open", "unpaid")


async def test_a_session_that_expires_meanwhile_is_not_paid(sandbox: Running) -> None:
    session = await opened(sandbox)
    page = f"/c/pay/{session.id}"
    asked = await sandbox.http.post(page, data={"card": "pm_card_authenticationRequired"})
    await sandbox.stripe.v1.checkout.sessions.expire_async(session.id)

    late = await sandbox.http.post(asked.headers["location"], data={"outcome": "accept"})
    later = await sandbox.http.post(page, data={"card": "pm_card_visa"})

    assert (late.status_code, later.status_code) == (410, 410)
    assert "expired" in later.text
    assert "charge.succeeded" not in await sandbox.events()


async def test_every_way_to_pay_that_is_offered_leads_on(sandbox: Running) -> None:
    shown = (await sandbox.http.get(f"/c/pay/{(await opened(sandbox)).id}")).text
    offered = re.findall(r'name="(card|bank)" value="(\w+)"', shown)
    assert len(offered) >= 9
    for kind, value in offered:
        answer = await sandbox.http.post(f"/c/pay/{(await opened(sandbox)).id}", data={kind: value})
        assert answer.status_code == 303, value


async def test_dollars_alone_come_from_a_bank(sandbox: Running) -> None:
    session = await opened(sandbox, currency="eur")
    assert session.payment_method_types == ["card"]
    page = f"/c/pay/{session.id}"
    assert 'name="bank"' not in (await sandbox.http.get(page)).text

    assert (await sandbox.http.post(page, data={"bank": "000123456789"})).status_code == 400
    assert (await sandbox.http.post(page, data={"bank": "<b>"})).status_code == 400
    assert (await sandbox.http.post(page, data={"card": "<pm>"})).status_code == 400
    assert await sandbox.events() == [], "nothing was begun"


@pytest.mark.parametrize("path", ["/c/pay/cs_test_1", "/c/pay/cs_test_1/back"])
async def test_a_guess_finds_no_session(sandbox: Running, path: str) -> None:
    assert (await sandbox.http.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"mode": "setup"}, "mode", "sandbox_unsupported"),
        ({"ui_mode": "elements"}, "ui_mode", "sandbox_unsupported"),
        ({"allow_promotion_codes": True}, "allow_promotion_codes", "sandbox_unsupported"),
        ({"line_items": [{"quantity": 1, "price": "price_1"}]}, "price", "sandbox_unsupported"),
        ({"line_items": []}, "line_items", "parameter_missing"),
        ({"amount": 49}, "amount", "amount_too_small"),
        ({"customer": "cus_unknown"}, "customer", "resource_missing"),
        ({"success_url": "nowhere"}, "success_url", "url_invalid"),
        ({"expires_at": 1}, "expires_at", None),
        ({"expires_at": 2**40}, "expires_at", None),
        (
            {"payment_intent_data": {"setup_future_usage": "off_session"}},
            "payment_intent_data[setup_future_usage]",
            "sandbox_unsupported",
        ),
    ],
)
async def test_what_cannot_be_ordered_is_refused(
    sandbox: Running, params: Any, param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await opened(sandbox, **params)
    assert (refusal.value.param, refusal.value.code) == (param, code)


@pytest.mark.parametrize("fault", ["error_500_after_commit", "reset_after_commit"])
async def test_a_lost_answer_opens_one_session(sandbox: Running, fault: str) -> None:
    create = sandbox.stripe.v1.checkout.sessions.create_async
    await sandbox.fault(fault, "/v1/checkout/sessions")
    with pytest.raises((stripe.APIError, stripe.APIConnectionError)):
        await create(ordered(), {"idempotency_key": "once"})
    if fault == "reset_after_commit":
        assert (await create(ordered(), {"idempotency_key": "once"})).status == "open"

    assert len((await sandbox.state())["objects"]["checkout.session"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"outcome": "paid", "card": "pm_card_chargeDeclined"},
        {"outcome": "declined", "card": "pm_card_visa"},
        {"outcome": "paid_later", "card": "pm_card_visa"},
        {"outcome": "paid_later_failed"},
        {"outcome": "lost"},
    ],
)
async def test_what_cannot_happen_is_told_and_not_done(sandbox: Running, body: Any) -> None:
    session = await opened(sandbox)

    answer = await sandbox.http.post(f"/_sandbox/checkout/sessions/{session.id}", json=body)

    assert answer.status_code == 400
    assert await sandbox.events() == []


async def test_a_customer_s_card_is_kept_for_later(sandbox: Running) -> None:
    ada = await sandbox.stripe.v1.customers.create_async({})
    session = await opened(
        sandbox, customer=ada.id, payment_intent_data={"setup_future_usage": "off_session"}
    )

    await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid")

    [kept] = (await sandbox.stripe.v1.customers.payment_methods.list_async(ada.id)).data
    assert kept.customer == ada.id


async def test_a_debit_that_was_sent_back_is_over(sandbox: Running) -> None:
    """Nobody pays its intent any more, nor calls it off; what it says of itself can be changed."""
    intents = sandbox.stripe.v1.payment_intents
    session = await opened(sandbox)
    await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid_later")
    over = await sandbox.control(f"/checkout/sessions/{session.id}", outcome="paid_later_failed")
    intent = over["payment_intent"]
    with pytest.raises(stripe.InvalidRequestError, match="status of `complete`"):
        await sandbox.stripe.v1.checkout.sessions.expire_async(session.id)
    for forbidden in (
        intents.cancel_async(intent),
        sandbox.confirm(intent),
        intents.update_async(intent, {"amount": 1_00}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
            await forbidden

    told_more = await intents.update_async(intent, {"metadata": {"n": "1"}})

    assert told_more.metadata["n"] == "1"
    assert told_more.last_payment_error is not None
    assert told_more.last_payment_error.code == "insufficient_funds"
