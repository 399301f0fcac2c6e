"""Payments that a cardholder's bank takes back, or asks about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe import BalanceTransaction, Dispute, PaymentIntent

from sandbox.stripe import SandboxConfig
from tests.sandbox.running import Json, Running, running

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


async def test_an_inquiry_moves_nothing(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_createDisputeInquiry", amount=50_00)
    inquiry = await dispute_of(sandbox, paid)
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert inquiry.payment_method_details is not None
    assert inquiry.payment_method_details.to_dict()["card"]["case_type"] == "inquiry"

    reviewed = await conclude(sandbox, inquiry.id, "under_review")
    closed = await conclude(sandbox, inquiry.id, "warning_closed")

    assert (reviewed["status"], closed["status"]) == ("warning_under_review", "warning_closed")
    assert await booked(sandbox, inquiry.id) == []
    assert await sandbox.available() == {"usd": 10_000_000_00}
    assert await types_told(sandbox, inquiry.id) == ["created", "updated", "closed"]
    assert (await refund(sandbox, paid)).status == "succeeded"


@pytest.mark.parametrize("reviewed", [False, True])
async def test_an_inquiry_becomes_a_dispute(sandbox: Running, *, reviewed: bool) -> None:
    paid = await sandbox.paid("pm_card_createDisputeInquiry", amount=50_00)
    part = await refund(sandbox, paid, amount=20_00)
    inquiry = await dispute_of(sandbox, paid)
    if reviewed:
        await argue(sandbox, inquiry.id, "We are right.")

    dispute = await conclude(sandbox, inquiry.id, "needs_response")

    assert (dispute["status"], dispute["is_charge_refundable"]) == ("needs_response", False)
    assert dispute["payment_method_details"]["card"]["case_type"] == "chargeback"
    [withdrawn] = dispute["balance_transactions"]
    assert (withdrawn["amount"], withdrawn["fee"]) == (-50_00, FEE), "what was refunded is taken again"
    assert (await types_told(sandbox, inquiry.id))[-2:] == ["updated", "funds_withdrawn"]
    assert (await sandbox.stripe.v1.refunds.retrieve_async(part.id)).status == "succeeded"
    lost = await conclude(sandbox, inquiry.id, "lost")
    assert lost["status"] == "lost"


async def test_an_inquiry_lapses(sandbox: Running) -> None:
    inquiry = await dispute_of(sandbox, await sandbox.paid("pm_card_createDisputeInquiry"))
    await sandbox.control("/clock", advance_seconds=119 * A_DAY_S)
    assert (await read(sandbox, inquiry.id)).status == "warning_needs_response"

    await sandbox.control("/clock", advance_seconds=A_DAY_S)

    assert (await read(sandbox, inquiry.id)).status == "warning_closed"


async def test_what_is_prevented_is_told_and_not_closed(sandbox: Running) -> None:
    inquiry = await dispute_of(sandbox, await sandbox.paid("pm_card_createDisputeInquiry"))

    prevented = await conclude(sandbox, inquiry.id, "prevented")

    assert (prevented["status"], prevented["balance_transactions"]) == ("prevented", [])
    assert await types_told(sandbox, inquiry.id) == ["created", "updated"]


@pytest.mark.parametrize("outcome", ["won", "lost"])
async def test_nobody_pays_back_what_a_bank_took(sandbox: Running, outcome: str) -> None:
    paid = await sandbox.paid("pm_card_createDispute", amount=50_00)
    dispute = await dispute_of(sandbox, paid)

    for status in ("needs_response", "under_review", outcome):
        if status != "needs_response":
            await conclude(sandbox, dispute.id, status)
        if status == "won":
            assert (await refund(sandbox, paid, amount=1)).status == "succeeded"
            continue
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await refund(sandbox, paid, amount=1)
        assert (refusal.value.http_status, refusal.value.code) == (400, "charge_disputed")


async def test_a_payment_is_disputed_days_later_and_in_parts(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)
    await sandbox.control("/clock", advance_seconds=30 * A_DAY_S)
    before = (await sandbox.available())["usd"]

    part = await sandbox.control(
        f"/charges/{paid.latest_charge}/dispute", reason="product_unacceptable", amount=20_00
    )
    rest = await sandbox.control(f"/charges/{paid.id}/dispute")

    assert (part["amount"], part["reason"], rest["amount"], rest["reason"]) == (
        20_00,
        "product_unacceptable",
        30_00,
        "fraudulent",
    )
    assert before - (await sandbox.available())["usd"] == 50_00 + 2 * FEE
    v1 = sandbox.stripe.v1
    for filters in ({"payment_intent": paid.id}, {"charge": str(paid.latest_charge)}):
        listed = await v1.disputes.list_async(filters)  # type: ignore[arg-type]
        assert [one.id for one in listed.data] == [rest["id"], part["id"]]
    assert (await v1.disputes.list_async({"created": {"lt": part["created"]}})).data == []
    assert (await v1.disputes.list_async({"charge": "ch_other"})).data == []
    answer = await sandbox.http.post(f"/_sandbox/charges/{paid.id}/dispute", json={})
    assert answer.status_code == 400, "all of it is in dispute"
    await conclude(sandbox, part["id"], "won")
    again = await sandbox.control(f"/charges/{paid.id}/dispute")
    assert again["amount"] == 20_00


async def test_what_was_refunded_is_disputed_in_vain(sandbox: Running) -> None:
    paid = await sandbox.paid(amount=50_00)
    await refund(sandbox, paid)
    before = await sandbox.available()

    dispute = await sandbox.control(f"/charges/{paid.id}/dispute")
    won = await conclude(sandbox, dispute["id"], "won")

    assert (dispute["status"], dispute["amount"], dispute["is_charge_refundable"]) == (
        "needs_response",
        50_00,
        False,
    )
    assert won["balance_transactions"] == []
    assert await sandbox.available() == before
    assert await types_told(sandbox, dispute["id"]) == ["created", "closed"]


async def test_a_dispute_ends_refunds_under_way(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_pendingRefund", amount=50_00)
    made = await refund(sandbox, paid)
    before = (await sandbox.available())["usd"]

    dispute = await sandbox.control(f"/charges/{paid.id}/dispute")
    await sandbox.control("/clock", advance_seconds=A_DAY_S)

    failed = await sandbox.stripe.v1.refunds.retrieve_async(made.id)
    assert (failed.status, failed.failure_reason) == ("failed", "charge_for_pending_refund_disputed")
    assert (await sandbox.available())["usd"] - before == 50_00 - (50_00 + FEE)
    assert [one.amount for one in await booked(sandbox, dispute["id"])] == [-50_00]


async def test_evidence_is_kept_until_it_is_submitted(sandbox: Running) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))
    v1 = sandbox.stripe.v1

    noted = await v1.disputes.update_async(dispute.id, {"metadata": {"dispute_id": "1"}})
    staged = await argue(sandbox, dispute.id, "They got it.", submit=False)
    added = await v1.disputes.update_async(
        dispute.id, {"evidence": {"product_description": "Gardening"}, "submit": False}
    )
    submitted = await v1.disputes.update_async(dispute.id, {"submit": True})

    states = [
        (one.status, one.evidence_details.has_evidence, one.evidence_details.submission_count)
        for one in (noted, staged, added, submitted)
    ]
    assert states == [
        ("needs_response", False, 0),
        ("needs_response", True, 0),
        ("needs_response", True, 0),
        ("under_review", True, 1),
    ]
    evidence = submitted.evidence
    assert (evidence.uncategorized_text, evidence.product_description) == ("They got it.", "Gardening")
    assert submitted.to_dict()["metadata"] == {"dispute_id": "1"}
    await sandbox.control("/clock", advance_seconds=60 * A_DAY_S)
    assert (await read(sandbox, dispute.id)).status == "under_review", "the bank takes its time"


@pytest.mark.parametrize(
    ("card", "text", "reviewed", "decided"),
    [
        ("pm_card_createDispute", "winning_evidence", "under_review", "won"),
        ("pm_card_createDispute", "losing_evidence", "under_review", "lost"),
        ("pm_card_createDisputeInquiry", "winning_evidence", "warning_under_review", "warning_closed"),
        ("pm_card_createDisputeInquiry", "losing_evidence", "warning_under_review", "warning_closed"),
        (
            "pm_card_createDisputeInquiry",
            "escalate_inquiry_evidence",
            "warning_under_review",
            "needs_response",
        ),
    ],
)
async def test_some_words_decide(sandbox: Running, card: str, text: str, reviewed: str, decided: str) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid(card))

    answered = await argue(sandbox, dispute.id, text)
    await sandbox.control("/clock", advance_seconds=5)

    assert (answered.status, (await read(sandbox, dispute.id)).status) == (reviewed, decided)
    last = {"won": "closed", "lost": "closed", "warning_closed": "closed"}.get(decided, "funds_withdrawn")
    events = await told(sandbox, dispute.id)
    assert events[-1]["type"] == f"charge.dispute.{last}"
    assert events[-1]["request"] == {"id": None, "idempotency_key": None}


async def test_who_does_not_answer_loses(sandbox: Running) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))

    await sandbox.control("/clock", advance_seconds=9 * A_DAY_S)

    assert (await read(sandbox, dispute.id)).status == "lost"


async def test_a_dispute_is_accepted(sandbox: Running) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))
    inquiry = await dispute_of(sandbox, await sandbox.paid("pm_card_createDisputeInquiry"))
    v1 = sandbox.stripe.v1

    lost = await v1.disputes.close_async(dispute.id)

    assert lost.status == "lost"
    assert (await types_told(sandbox, dispute.id))[-1] == "closed"
    for again in (v1.disputes.close_async(dispute.id), argue(sandbox, dispute.id, "But")):
        with pytest.raises(stripe.InvalidRequestError, match="already closed"):
            await again
    with pytest.raises(stripe.InvalidRequestError, match="inquiry cannot be closed"):
        await v1.disputes.close_async(inquiry.id)
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        await read(sandbox, "du_1")
    assert (unknown.value.code, unknown.value.param) == ("resource_missing", "dispute")


async def test_a_dispute_is_seen_with_what_it_is_about(sandbox: Running) -> None:
    paid = await sandbox.paid("pm_card_createDispute")
    related: Any = {"expand": ["data.charge.payment_intent", "data.balance_transactions.source"]}

    [seen] = (await sandbox.stripe.v1.disputes.list_async(related)).data
    [withdrawn] = await booked(sandbox, seen.id)
    with_source = await sandbox.stripe.v1.balance_transactions.retrieve_async(
        withdrawn.id, {"expand": ["source"]}
    )

    assert seen.to_dict()["charge"]["payment_intent"]["id"] == paid.id
    assert seen.to_dict()["balance_transactions"][0]["source"]["id"] == seen.id
    assert isinstance(with_source.source, Dispute)


@pytest.mark.parametrize(
    ("path", "outcomes"),
    [
        ([], {"warning_closed", "prevented", "needs_response"}),
        (["under_review"], {"under_review", "warning_closed", "prevented", "needs_response"}),
        (["won"], {"won", "lost", "under_review", "needs_response"}),
        (["lost"], {"won", "lost", "under_review", "needs_response"}),
    ],
)
async def test_there_are_no_other_arrows(sandbox: Running, path: list[str], outcomes: set[str]) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))
    for outcome in path:
        await conclude(sandbox, dispute.id, outcome)
    before = await read(sandbox, dispute.id)

    for outcome in outcomes:
        answer = await sandbox.http.post(f"/_sandbox/disputes/{dispute.id}", json={"outcome": outcome})
        assert (answer.status_code, "cannot become" in answer.json()["error"]) == (400, True), outcome

    assert (await read(sandbox, dispute.id)).to_dict() == before.to_dict()


async def test_an_inquiry_has_arrows_of_its_own(sandbox: Running) -> None:
    inquiry = await dispute_of(sandbox, await sandbox.paid("pm_card_createDisputeInquiry"))
    refused = ["won", "lost"]
    for outcome in ("under_review", "warning_closed"):
        for impossible in refused:
            answer = await sandbox.http.post(f"/_sandbox/disputes/{inquiry.id}", json={"outcome": impossible})
            assert answer.status_code == 400, (outcome, impossible)
        await conclude(sandbox, inquiry.id, outcome)
        refused = ["won", "lost", "under_review"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/disputes/du_1", {"outcome": "won"}),
        ("/disputes/{dispute}", {"outcome": "charged"}),
        ("/disputes/{dispute}", {"outcome": "warning_under_review"}),
        ("/disputes/{dispute}", {"outcome": "won", "amount": 50_01}),
        ("/disputes/{dispute}", {"outcome": "lost", "amount": 1}),
        ("/disputes/{dispute}", {"outcome": "lost", "fee_returned": False}),
        ("/charges/ch_1/dispute", {}),
        ("/charges/pi_1/dispute", {}),
        ("/charges/{unpaid}/dispute", {}),
        ("/charges/{declined}/dispute", {}),
        ("/charges/{paid}/dispute", {"amount": 0}),
        ("/charges/{paid}/dispute", {"amount": 50_01}),
        ("/charges/{paid}/dispute", {"reason": "insufficient_taste"}),
        ("/charges/{paid}/dispute", {"card": "pm_card_visa"}),
    ],
)
async def test_nonsense_is_no_dispute(sandbox: Running, path: str, body: Json) -> None:
    disputed = await sandbox.paid("pm_card_createDispute", amount=50_00)
    paid = await sandbox.paid(amount=50_00)
    unpaid, declined = await sandbox.intent(), await sandbox.intent()
    with pytest.raises(stripe.CardError):
        await sandbox.confirm(declined.id, "pm_card_chargeDeclined")
    dispute = await dispute_of(sandbox, disputed)
    names = {"dispute": dispute.id, "paid": paid.id, "unpaid": unpaid.id, "declined": declined.id}

    answer = await sandbox.http.post(f"/_sandbox{path.format(**names)}", json=body)

    assert (answer.status_code, "error" in answer.json()) == (400, True)
    [only] = (await sandbox.state())["objects"]["dispute"]
    assert only["status"] == "needs_response"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"evidence[receipt]": "file_1"}, "sandbox_unsupported"),
        ({"evidence[uncategorized_text]": ""}, "parameter_invalid_empty"),
        ({"evidence[mood]": "bad"}, "parameter_unknown"),
        ({"submit": "perhaps"}, None),
    ],
)
async def test_nonsense_is_no_evidence(sandbox: Running, params: Json, code: str | None) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))

    answer = await sandbox.http.post(f"/v1/disputes/{dispute.id}", data=params)

    assert (answer.status_code, answer.json()["error"].get("code")) == (400, code)


@pytest.mark.parametrize(
    ("currency", "fee"), [("usd", 15_00), ("eur", 15_00), ("jpy", 1500), ("isk", 100), ("kwd", 30)]
)
async def test_each_currency_has_its_fee(sandbox: Running, currency: str, fee: int) -> None:
    dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute", currency=currency))
    [withdrawn] = dispute.balance_transactions
    assert (withdrawn.currency, withdrawn.fee) == (currency, fee)
    [detail] = withdrawn.fee_details
    assert (detail.amount, detail.description) == (fee, "Dispute fee")


async def test_a_saved_card_disputes_each_payment(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada"})
    setup = await sandbox.setup(customer=customer.id)
    saved = await sandbox.confirm_setup(setup.id, "pm_card_createDispute")
    assert "dispute" not in (await sandbox.state())["objects"]

    for _ in range(2):
        paying = await sandbox.intent(customer=customer.id)
        await sandbox.confirm(paying.id, str(saved.payment_method))

    assert len((await sandbox.state())["objects"]["dispute"]) == 2


async def test_the_same_seed_the_same_disputes(sandbox: Running) -> None:
    async def story() -> list[str]:
        await sandbox.reset(7)
        paid = await sandbox.paid("pm_card_createDispute")
        await sandbox.control("/clock", advance_seconds=1)
        dispute = await dispute_of(sandbox, paid)
        await argue(sandbox, dispute.id, "winning_evidence")
        await sandbox.control("/clock", advance_seconds=5)
        money = [one.id for one in await booked(sandbox, dispute.id)]
        return [dispute.id, *money, *(event["id"] for event in await told(sandbox, dispute.id))]

    assert await story() == await story()


async def test_a_restart_goes_on_deciding(tmp_path: Path, config: SandboxConfig) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3")
    async with running(lasting) as sandbox:
        dispute = await dispute_of(sandbox, await sandbox.paid("pm_card_createDispute"))
        await argue(sandbox, dispute.id, "winning_evidence")

    async with running(lasting) as sandbox:
        await sandbox.control("/clock", advance_seconds=5)
        assert (await read(sandbox, dispute.id)).status == "won"


async def test_late_evidence_is_marked(sandbox: Running) -> None:
    inquiry = await dispute_of(sandbox, await sandbox.paid("pm_card_createDisputeInquiry"))
    await sandbox.control("/clock", advance_seconds=9 * A_DAY_S)

    late = await argue(sandbox, inquiry.id, "Sorry.")
    escalated = await conclude(sandbox, inquiry.id, "needs_response")

    assert (late.status, late.evidence_details.past_due) == ("warning_under_review", True)
    details = escalated["evidence_details"]
    assert details["past_due"] is False
    assert details["due_by"] > (inquiry.evidence_details.due_by or 0)
