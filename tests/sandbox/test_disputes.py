"""Payments that a cardholder's bank takes back, or asks about."""

from typing import Any

import pytest
import stripe
from stripe import BalanceTransaction, Dispute, PaymentIntent

from tests.sandbox.running import Json, Running

A_DAY_S = 86_400
FEE = 15_00


async def dispute_of(sandbox: Running, intent: PaymentIntent, **params: Any) -> Dispute:
    """The newest one."""
    given: Any = {"payment_intent": intent.id, **params}
    return (await sandbox.stripe.v1.disputes.list_async(given)).data[0]


async def read(sandbox: Running, dispute: str) -> Dispute:
    return await sandbox.stripe.v1.disputes.retrieve_async(dispute)


async def conclude(sandbox: Running, dispute: str, outcome: str, **more: Any) -> Json:
    return await sandbox.control(f"/disputes/{dispute}", outcome=outcome, **more)


async def argue(sandbox: Running, dispute: str, text: str, **params: Any) -> Dispute:
    given: Any = {"evidence": {"uncategorized_text": text}, **params}
    return await sandbox.stripe.v1.disputes.update_async(dispute, given)


async def refund(sandbox: Running, intent: PaymentIntent, **params: Any) -> stripe.Refund:
    given: Any = {"payment_intent": intent.id, **params}
    return await sandbox.stripe.v1.refunds.create_async(given)


async def booked(sandbox: Running, dispute: str) -> list[BalanceTransaction]:
    """Oldest first."""
    return (await sandbox.stripe.v1.balance_transactions.list_async({"source": dispute})).data[::-1]


async def told(sandbox: Running, dispute: str) -> list[Json]:
    """Oldest first."""
    events = (await sandbox.state())["objects"]["event"]
    return [event for event in events if event["data"]["object"].get("id") == dispute]


async def types_told(sandbox: Running, dispute: str) -> list[str]:
    return [str(event["type"]).removeprefix("charge.dispute.") for event in await told(sandbox, dispute)]


@pytest.mark.parametrize(
    ("card", "reason", "code"),
    [
        ("pm_card_createDispute", "fraudulent", "10.4"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received", "13.1"),
    ],
)
async def test_some_cards_dispute_what_they_paid(sandbox: Running, card: str, reason: str, code: str) -> None:
    paid = await sandbox.paid(card, amount=50_00)

    dispute = await dispute_of(sandbox, paid)

    assert (paid.status, dispute.status, dispute.reason) == ("succeeded", "needs_response", reason)
    assert (dispute.amount, dispute.currency, dispute.charge) == (50_00, "usd", paid.latest_charge)
    assert (dispute.payment_intent, dispute.is_charge_refundable) == (paid.id, False)
    assert dispute.payment_method_details is not None
    assert dispute.payment_method_details.to_dict()["card"] == {
        "brand": "visa",
        "case_type": "chargeback",
        "network_reason_code": code,
    }
    details = dispute.evidence_details
    assert (details.has_evidence, details.submission_count, details.past_due) == (False, 0, False)
    assert details.due_by is not None
    assert (details.due_by + 1) % A_DAY_S == 0
    assert 8 * A_DAY_S <= details.due_by - dispute.created < 9 * A_DAY_S
    charge = await sandbox.stripe.v1.charges.retrieve_async(str(paid.latest_charge))
    assert (charge.disputed, charge.status, charge.refunded) == (True, "succeeded", False)
    [withdrawn] = dispute.balance_transactions
    assert (withdrawn.type, withdrawn.reporting_category, withdrawn.status) == (
        "adjustment",
        "dispute",
        "available",
    )
    assert (withdrawn.amount, withdrawn.fee, withdrawn.net) == (-50_00, FEE, -50_00 - FEE)
    assert [one.to_dict() for one in await booked(sandbox, dispute.id)] == [withdrawn.to_dict()]
    assert await sandbox.available() == {"usd": 10_000_000_00 - 50_00 - FEE}
    events = [one for one in await sandbox.events() if one != "charge.updated"]
    assert events == [
        "payment_intent.created",
        "charge.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "payment_intent.succeeded",
    ]
    created, funds = await told(sandbox, dispute.id)
    assert created["request"] == {"id": None, "idempotency_key": None}
    amounts = [len(event["data"]["object"]["balance_transactions"]) for event in (created, funds)]
    assert amounts == [0, 1]


async def test_a_dispute_won_gives_back_the_money_and_the_fee(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_createDispute", amount=50_00)
    dispute = await dispute_of(sandbox, paid)

    reviewed = await conclude(sandbox, dispute.id, "under_review")
    won = await conclude(sandbox, dispute.id, "won")

    assert (reviewed["status"], won["status"], won["is_charge_refundable"]) == ("under_review", "won", True)
    withdrawn, back = await booked(sandbox, dispute.id)
    assert (back.type, back.reporting_category) == ("adjustment", "dispute_reversal")
    assert (back.amount, back.fee, back.net) == (50_00, -FEE, 50_00 + FEE)
    assert [one["id"] for one in won["balance_transactions"]] == [withdrawn.id, back.id]
    assert await sandbox.available() == {"usd": 10_000_000_00}
    events = await told(sandbox, dispute.id)
    assert [one["type"].removeprefix("charge.dispute.") for one in events] == [
        "created",
        "funds_withdrawn",
        "updated",
        "funds_reinstated",
        "closed",
    ]
    assert events[2]["data"]["previous_attributes"] == {"status": "needs_response"}
    assert [one["data"]["object"]["status"] for one in events[3:]] == ["won", "won"]
    charge = await sandbox.stripe.v1.charges.retrieve_async(str(paid.latest_charge))
    assert charge.disputed is True, "for good"
    assert (await refund(sandbox, paid)).status == "succeeded"
    assert (await read(sandbox, dispute.id)).is_charge_refundable is False, "nothing is left"


async def test_less_may_come_back_than_was_taken(sandbox: Running) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute", amount=50_00))

    await conclude(sandbox, dispute.id, "won", amount=20_00, fee_returned=False)

    [_, back] = await booked(sandbox, dispute.id)
    assert (back.amount, back.fee, back.fee_details) == (20_00, 0, [])


async def test_a_dispute_lost_moves_nothing_more(sandbox: Running) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute", amount=50_00))

    lost = await conclude(sandbox, dispute.id, "lost")

    assert (lost["status"], len(lost["balance_transactions"])) == ("lost", 1)
    assert await types_told(sandbox, dispute.id) == ["created", "funds_withdrawn", "closed"]
    assert await sandbox.available() == {"usd": 10_000_000_00 - 50_00 - FEE}
