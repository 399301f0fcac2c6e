"""Money on its way back to a card."""

from typing import Any

import pytest
import stripe
from stripe import Charge, PaymentIntent, Refund

from tests.sandbox.running import Json, Running

A_DAY_S = 86_400


async def refund(sandbox: Running, intent: PaymentIntent, **params: Any) -> Refund:
    given: Any = {"payment_intent": intent.id, **params}
    return await sandbox.stripe.v1.refunds.create_async(given)


async def charge_of(sandbox: Running, intent: PaymentIntent) -> Charge:
    return await sandbox.stripe.v1.charges.retrieve_async(str(intent.latest_charge))


async def balances(sandbox: Running) -> dict[str, int]:
    """What is available, by currency."""
    balance = await sandbox.stripe.v1.balance.retrieve_async()
    return {one.currency: one.amount for one in balance.available}


async def events_about(sandbox: Running, object_id: str) -> list[Json]:
    """Oldest first."""
    events = (await sandbox.state())["objects"]["event"]
    return [event for event in events if event["data"]["object"].get("id") == object_id]


async def test_a_whole_charge_is_refunded(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)
    before = await balances(sandbox)

    made = await refund(sandbox, paid, reason="requested_by_customer", metadata={"refund_id": "r1"})

    assert (made.status, made.amount, made.charge) == ("succeeded", 50_00, paid.latest_charge)
    assert (made.payment_intent, made.reason, made.currency) == (paid.id, "requested_by_customer", "usd")
    charge = await charge_of(sandbox, paid)
    assert (charge.amount_refunded, charge.refunded, charge.status) == (50_00, True, "succeeded")
    assert (await balances(sandbox))["usd"] - before["usd"] == -50_00
    [booked] = (await sandbox.stripe.v1.balance_transactions.list_async({"source": made.id})).data
    assert booked.id == made.balance_transaction
    assert (booked.type, booked.reporting_category) == ("refund", "refund")
    assert (booked.amount, booked.fee, booked.net, booked.status) == (-50_00, 0, -50_00, "available")
    assert (await sandbox.events())[-2:] == ["refund.created", "charge.refunded"]


async def test_parts_are_refunded_until_nothing_is_left(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)

    first = await refund(sandbox, paid, amount=20_00)
    part = await charge_of(sandbox, paid)
    with pytest.raises(stripe.InvalidRequestError) as too_much:
        await refund(sandbox, paid, amount=30_01)
    rest = await refund(sandbox, paid)
    whole = await charge_of(sandbox, paid)
    with pytest.raises(stripe.InvalidRequestError) as nothing_left:
        await refund(sandbox, paid)

    assert (part.amount_refunded, part.refunded) == (20_00, False)
    assert (rest.amount, whole.amount_refunded, whole.refunded) == (30_00, 50_00, True)
    assert (too_much.value.code, too_much.value.param) == ("amount_too_large", "amount")
    assert "30.01 USD" in str(too_much.value.user_message)
    assert nothing_left.value.code == "charge_already_refunded"
    assert (await sandbox.events()).count("charge.refunded") == 2, "for a part too"
    listed = await sandbox.stripe.v1.refunds.list_async({"charge": str(paid.latest_charge)})
    assert [one.id for one in listed.data] == [rest.id, first.id]


@pytest.mark.parametrize("amount", ["0", "-1"])
async def test_less_than_nothing_is_no_amount(sandbox: Running, amount: str) -> None:
    paid = await sandbox.paid()
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await refund(sandbox, paid, amount=amount)
    assert (refusal.value.code, refusal.value.param) == ("parameter_invalid_integer", "amount")


async def test_what_was_not_paid_is_not_refunded(sandbox: Running) -> None:
    fresh = await sandbox.intent()
    declined = await sandbox.intent()
    with pytest.raises(stripe.CardError):
        await sandbox.confirm(declined.id, "pm_card_chargeDeclined")
    failed = (await sandbox.stripe.v1.charges.list_async()).data[0].id

    for params in ({"payment_intent": fresh.id}, {"payment_intent": declined.id}, {"charge": failed}):
        with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
            await sandbox.stripe.v1.refunds.create_async(params)  # type: ignore[arg-type]

    assert "refund" not in (await sandbox.state())["objects"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "parameter_missing"),
        ({"charge": "ch_1", "payment_intent": "pi_1"}, "parameters_exclusive"),
        ({"charge": "ch_1"}, "resource_missing"),
        ({"payment_intent": "pi_1"}, "resource_missing"),
        ({"charge": "ch_1", "reverse_transfer": "true"}, "sandbox_unsupported"),
        ({"charge": "ch_1", "because": "x"}, "parameter_unknown"),
    ],
)
async def test_nonsense_is_refused(sandbox: Running, params: Json, code: str) -> None:
    answer = await sandbox.http.post("/v1/refunds", data=params)

    assert (answer.status_code, answer.json()["error"].get("code")) == (400, code)


async def test_refunds_are_listed_read_and_described(sandbox: Running) -> None:
    one, other = await sandbox.paid(), await sandbox.paid()
    of_one, of_other = await refund(sandbox, one), await refund(sandbox, other)

    v1 = sandbox.stripe.v1
    by_intent = await v1.refunds.list_async({"payment_intent": one.id})
    later = await v1.refunds.list_async({"created": {"gt": of_other.created}})
    updated = await v1.refunds.update_async(of_one.id, {"metadata": {"note": "x"}})
    read = await v1.refunds.retrieve_async(of_one.id, {"expand": ["charge", "balance_transaction"]})

    assert [each.id for each in by_intent.data] == [of_one.id]
    assert later.data == []
    assert updated.to_dict()["metadata"] == {"note": "x"}
    assert isinstance(read.charge, Charge)
    assert [each["type"] for each in await events_about(sandbox, of_one.id)] == [
        "refund.created",
        "refund.updated",
        "charge.refund.updated",
    ]


async def test_a_charge_shows_its_refunds_to_whoever_asks(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)
    made = [(await refund(sandbox, paid, amount=1_00)).id for _ in range(2)]

    intent = await sandbox.stripe.v1.payment_intents.retrieve_async(
        paid.id, {"expand": ["latest_charge.refunds.data.balance_transaction"]}
    )

    assert isinstance(intent.latest_charge, Charge)
    refunds = intent.latest_charge.refunds
    assert refunds is not None
    assert [one.id for one in refunds.data] == made[::-1]
    assert isinstance(refunds.data[0].balance_transaction, stripe.BalanceTransaction)
    assert "refunds" not in (await charge_of(sandbox, paid)).to_dict()


async def test_a_slow_bank_takes_it_later(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_pendingRefund", amount=50_00)
    before = await balances(sandbox)
    made = await refund(sandbox, paid)
    assert (made.status, made.pending_reason) == ("pending", "processing")
    assert (await balances(sandbox))["usd"] - before["usd"] == -50_00, "it has left all the same"

    await sandbox.control("/clock", advance_seconds=A_DAY_S)

    after = await sandbox.stripe.v1.refunds.retrieve_async(made.id)
    assert after.status == "succeeded"
    [_, updated, _] = await events_about(sandbox, made.id)
    assert updated["type"] == "refund.updated"
    assert updated["data"]["previous_attributes"] == {"pending_reason": "processing", "status": "pending"}
    assert updated["request"] == {"id": None, "idempotency_key": None}
    assert [one.type for one in (await transactions_of(sandbox, made.id))] == ["refund"]


async def test_a_bank_sends_it_back(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_refundFail", amount=50_00)
    before = await balances(sandbox)
    made = await refund(sandbox, paid, amount=20_00)
    assert made.status == "succeeded"

    await sandbox.control("/clock", advance_seconds=A_DAY_S)

    after = await sandbox.stripe.v1.refunds.retrieve_async(made.id)
    assert (after.status, after.failure_reason) == ("failed", "expired_or_canceled_card")
    assert (await balances(sandbox))["usd"] == before["usd"]
    back, out = await transactions_of(sandbox, made.id)
    assert (out.id, back.id) == (made.balance_transaction, after.failure_balance_transaction)
    assert (back.type, back.reporting_category, back.amount) == ("refund_failure", "refund_failure", 20_00)
    assert (await charge_of(sandbox, paid)).amount_refunded == 0
    events = await events_about(sandbox, made.id)
    assert [one["type"] for one in events] == [
        "refund.created",
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]
    assert events[1]["data"]["previous_attributes"] == {"status": "succeeded"}


async def transactions_of(sandbox: Running, refund_id: str) -> list[stripe.BalanceTransaction]:
    return (await sandbox.stripe.v1.balance_transactions.list_async({"source": refund_id})).data


async def test_a_refund_is_led_along_its_picture_by_hand(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_pendingRefund", amount=50_00)
    made = await refund(sandbox, paid)
    with pytest.raises(stripe.InvalidRequestError, match="status of pending"):
        await sandbox.stripe.v1.refunds.cancel_async(made.id)

    asking = await sandbox.control(f"/refunds/{made.id}", outcome="requires_action")
    canceled = await sandbox.stripe.v1.refunds.cancel_async(made.id)
    await sandbox.control("/clock", advance_seconds=A_DAY_S)

    assert asking["status"] == "requires_action"
    assert (canceled.status, canceled.failure_reason) == ("canceled", "merchant_request")
    assert (await sandbox.stripe.v1.refunds.retrieve_async(made.id)).status == "canceled", "for good"
    assert (await charge_of(sandbox, paid)).refunded is False
    assert "refund.failed" not in await sandbox.events()
    again = await refund(sandbox, paid)
    failed = await sandbox.control(f"/refunds/{again.id}", outcome="failed", failure_reason="declined")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "declined")
    assert [one.amount for one in await transactions_of(sandbox, again.id)] == [50_00, -50_00]


async def test_there_are_no_other_arrows(sandbox: Running) -> None:
    made = await refund(sandbox, await sandbox.paid())
    await sandbox.control(f"/refunds/{made.id}", outcome="failed")

    for path, outcome in ((made.id, "failed"), (made.id, "succeeded"), (made.id, "lost"), ("re_1", "failed")):
        answer = await sandbox.http.post(f"/_sandbox/refunds/{path}", json={"outcome": outcome})
        assert answer.status_code == 400

    assert len(await transactions_of(sandbox, made.id)) == 2


@pytest.mark.parametrize(
    ("currency", "part", "fee"),
    [
        ("usd", 1234, 320),
        ("eur", 1234, 320),
        ("jpy", 1234, 320),
        ("isk", 1200, 300),
        ("kwd", 1230, 320),
    ],
)
async def test_each_currency_has_a_balance_of_its_own(
    sandbox: Running, currency: str, part: int, fee: int
) -> None:
    before = await balances(sandbox)
    paid = await sandbox.paid("pm_card_bypassPending", amount=10_000, currency=currency)
    await sandbox.control("/clock", advance_seconds=1)
    await refund(sandbox, paid, amount=part)

    after = await balances(sandbox)

    assert after.pop(currency) - before.pop(currency, 0) == 10_000 - fee - part
    assert after == before


@pytest.mark.parametrize(("currency", "amount"), [("isk", 150), ("kwd", 1234)])
async def test_a_refund_has_no_digits_that_its_currency_has_not(
    sandbox: Running, currency: str, amount: int
) -> None:
    paid = await sandbox.paid(amount=10_000, currency=currency)

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await refund(sandbox, paid, amount=amount)

    assert (refusal.value.code, refusal.value.param) == ("parameter_invalid_integer", "amount")


async def test_the_balance_may_go_below_zero(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)
    await sandbox.control("/float", currency="usd", amount=0)

    await refund(sandbox, paid)

    assert await balances(sandbox) == {"usd": -50_00}
