"""From a connected account's balance to a bank: by the day, by hand, and back again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe import BalanceTransaction, Payout

from sandbox.stripe import SandboxConfig
from tests.sandbox.running import Json, Receiver, Running, running

A_DAY_S = 86_400


@dataclass(frozen=True)
class There:
    """A connected account ("": the platform), and what is asked in its name."""

    sandbox: Running
    id: str

    @property
    def options(self) -> Any:
        return {"stripe_account": self.id} if self.id else {}

    async def payouts(self, **filters: Any) -> list[Payout]:
        """Newest first."""
        given: Any = filters
        return (await self.sandbox.stripe.v1.payouts.list_async(given, self.options)).data

    async def payout(self, payout: str) -> Payout:
        return await self.sandbox.stripe.v1.payouts.retrieve_async(payout, None, self.options)

    async def by_hand(self, amount: int, **params: Any) -> Payout:
        given: Any = {"amount": amount, "currency": "usd", **params}
        return await self.sandbox.stripe.v1.payouts.create_async(given, self.options)

    async def transactions(self, **filters: Any) -> list[BalanceTransaction]:
        """Newest first."""
        given: Any = filters
        listed = await self.sandbox.stripe.v1.balance_transactions.list_async(given, self.options)
        return listed.data

    async def sources(self, payout: str) -> list[tuple[str, int]]:
        """What is in an automatic payout, the oldest first."""
        found = await self.transactions(payout=payout)
        return [(str(one.source), one.net) for one in reversed(found)]

    async def available(self) -> dict[str, int]:
        return await self.sandbox.available(self.id)

    async def told(self) -> list[Json]:
        """The events about payouts, oldest first."""
        recorded = (await self.sandbox.state())["objects"]["event"]
        about = [event for event in recorded if event["type"].startswith("payout.")]
        assert {event["account"] for event in about} <= {self.id}
        return about

    async def types_told(self) -> list[str]:
        return [event["type"].removeprefix("payout.") for event in await self.told()]

    async def onboard(self, outcome: str) -> None:
        await self.sandbox.control(f"/accounts/{self.id}/onboard", outcome=outcome)

    async def bank(self, number: str) -> None:
        """Choose where payouts go, as its person does."""
        link = await self.sandbox.stripe.v1.accounts.login_links.create_async(self.id)
        page = await self.sandbox.http.get(link.url, follow_redirects=True)
        chosen = await self.sandbox.http.post(page.url, data={"bank": number})
        assert chosen.status_code == 303


@pytest.fixture(autouse=True)
async def noon(sandbox: Running) -> None:
    """Wherever the day is: payouts are made at midnight, and a story must not run into it."""
    await until_noon(sandbox)


async def until_noon(sandbox: Running) -> None:
    now: float = (await sandbox.state())["now"]
    await sandbox.control("/clock", advance_seconds=(A_DAY_S / 2 - now) % A_DAY_S)


async def contractor(sandbox: Running) -> There:
    return There(sandbox, await sandbox.contractor())


async def days(sandbox: Running, count: float) -> None:
    await sandbox.control("/clock", advance_seconds=count * A_DAY_S)


async def conclude(sandbox: Running, payout: str, outcome: str, **body: Any) -> Json:
    return await sandbox.control(f"/payouts/{payout}", outcome=outcome, **body)


async def test_the_day_pays_out_all_there_is(sandbox: Running) -> None:
    there = await contractor(sandbox)
    first = await sandbox.transfer(there.id, 50_00)
    second = await sandbox.transfer(there.id, 30_00)

    await days(sandbox, 1)

    [made] = await there.payouts()
    assert (made.amount, made.currency, made.automatic, made.method) == (80_00, "usd", True, "standard")
    assert made.created % A_DAY_S == 0
    assert made.arrival_date - made.created == A_DAY_S
    assert await there.available() == {"usd": 0}
    [booked] = await there.transactions(source=made.id)
    assert (booked.id, booked.net) == (made.balance_transaction, -80_00)
    assert (booked.type, booked.reporting_category, booked.status) == ("payout", "payout", "available")

    await days(sandbox, 1)

    paid = await there.payout(made.id)
    assert (paid.status, paid.reconciliation_status) == ("paid", "completed")
    assert await there.sources(made.id) == [
        (str(first.destination_payment), 50_00),
        (str(second.destination_payment), 30_00),
        (made.id, -80_00),
    ]
    assert len(await there.payouts()) == 1, "nothing is left to pay out"


async def test_events_tell_its_way(sandbox: Running, receiver: Receiver) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await days(sandbox, 2)
    await sandbox.control("/clock", advance_seconds=1)
    await sandbox.idle()

    told = await there.told()

    assert [event["type"] for event in told] == [
        "payout.created",
        "payout.updated",
        "payout.paid",
        "payout.reconciliation_completed",
    ]
    shown = [event["data"]["object"] for event in told]
    assert [one["status"] for one in shown] == ["pending", "in_transit", "paid", "paid"]
    assert [one["reconciliation_status"] for one in shown] == [*["in_progress"] * 3, "completed"]
    assert told[1]["data"]["previous_attributes"] == {"status": "pending"}
    assert all(event["request"] == {"id": None, "idempotency_key": None} for event in told)
    delivered = [one for one in receiver.deliveries if one.type.startswith("payout.")]
    assert [one.path for one in delivered] == ["/connect"] * 4
    assert {one.event["account"] for one in delivered} == {there.id}
    listed = await sandbox.stripe.v1.events.list_async({"type": "payout.*"}, there.options)
    assert [one.id for one in reversed(listed.data)] == [event["id"] for event in told]
    assert (await sandbox.stripe.v1.events.list_async({"type": "payout.*"})).data == []


async def test_what_is_in_it_is_known_only_after_a_while(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await days(sandbox, 1)
    [made] = await there.payouts()

    assert await there.sources(made.id) == [(made.id, -50_00)]
    await conclude(sandbox, made.id, "paid")
    await sandbox.control("/clock", advance_seconds=1)
    assert len(await there.sources(made.id)) == 2


async def test_nobody_has_to_wait_for_midnight(sandbox: Running) -> None:
    there = await contractor(sandbox)
    assert await sandbox.control(f"/accounts/{there.id}/payout") == {"payouts": []}
    payment = str((await sandbox.transfer(there.id)).destination_payment)

    [made] = (await sandbox.control(f"/accounts/{there.id}/payout"))["payouts"]
    paid = await conclude(sandbox, made["id"], "paid")

    assert (made["status"], made["automatic"], made["amount"]) == ("pending", True, 50_00)
    assert paid["reconciliation_status"] == "completed"
    assert await there.sources(made["id"]) == [(payment, 50_00), (made["id"], -50_00)]
    await days(sandbox, 2)
    assert len(await there.payouts()) == 1
    assert await there.types_told() == ["created", "updated", "paid", "reconciliation_completed"]


@pytest.mark.parametrize("outcome", ["payouts_disabled", "deauthorized"])
async def test_nobody_is_paid_out_who_may_not_be(sandbox: Running, outcome: str) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await there.onboard(outcome)

    answer = await sandbox.http.post(f"/_sandbox/accounts/{there.id}/payout")

    assert answer.status_code == 400
    assert "payout" not in (await sandbox.state())["objects"]


async def test_each_day_pays_out_what_it_brought(sandbox: Running) -> None:
    there = await contractor(sandbox)
    first = await sandbox.transfer(there.id, 50_00)
    await days(sandbox, 1)
    second = await sandbox.transfer(there.id, 30_00)
    await sandbox.stripe.v1.transfers.reversals.create_async(second.id, {"amount": 10_00})
    await days(sandbox, 3)

    later, earlier = await there.payouts()

    assert (earlier.amount, later.amount) == (50_00, 20_00)
    assert (await there.sources(earlier.id))[:-1] == [(str(first.destination_payment), 50_00)]
    assert [net for _, net in await there.sources(later.id)] == [30_00, -10_00, -20_00]


async def test_each_currency_by_itself(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.control("/float", currency="eur", amount=1_00)
    await sandbox.transfer(there.id, 50_00)
    await sandbox.transfer(there.id, 1_00, currency="eur")

    await days(sandbox, 2.5)

    made = await there.payouts()
    assert {(one.currency, one.amount, one.status) for one in made} == {
        ("usd", 50_00, "paid"),
        ("eur", 1_00, "paid"),
    }
    for one in made:
        assert sum(net for _, net in await there.sources(one.id)) == 0
        assert len(await there.sources(one.id)) == 2


@pytest.mark.parametrize("why", ["payouts_disabled", "restricted", "manual"])
async def test_money_waits_until_it_may_go(sandbox: Running, why: str) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    schedule: Any = {"settings": {"payouts": {"schedule": {"interval": "manual"}}}}
    if why == "manual":
        await sandbox.stripe.v1.accounts.update_async(there.id, schedule)
    else:
        await there.onboard(why)

    await days(sandbox, 3)
    assert await there.payouts() == []
    assert await there.available() == {"usd": 50_00}

    schedule["settings"]["payouts"]["schedule"]["interval"] = "daily"
    await sandbox.stripe.v1.accounts.update_async(there.id, schedule)
    await there.onboard("active")
    await days(sandbox, 1)
    assert [one.amount for one in await there.payouts()] == [50_00]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("000111111116", "no_account"),
        ("000111111113", "account_closed"),
        ("000222222227", "insufficient_funds"),
    ],
)
async def test_some_banks_send_it_back(sandbox: Running, number: str, code: str) -> None:
    there = await contractor(sandbox)
    await there.bank(number)
    payment = str((await sandbox.transfer(there.id)).destination_payment)

    await days(sandbox, 4)

    [made] = await there.payouts()
    assert (made.status, made.failure_code) == ("failed", code)
    assert made.failure_message
    assert await there.available() == {"usd": 50_00}
    back, out = await there.transactions(source=made.id)
    assert (out.id, back.id) == (made.balance_transaction, made.failure_balance_transaction)
    assert (back.type, back.reporting_category, back.net) == ("payout_failure", "payout_reversal", 50_00)
    assert await there.sources(made.id) == [(payment, 50_00), (made.id, -50_00)]
    assert await there.types_told() == ["created", "updated", "failed", "reconciliation_completed"]
    account = await sandbox.stripe.v1.accounts.retrieve_async(there.id)
    assert account.payouts_enabled is False, "no more payouts until there is another bank account"

    await there.bank("000123456789")
    await days(sandbox, 2.5)

    successor, failed = await there.payouts()
    assert (successor.status, successor.amount, failed.status) == ("paid", 50_00, "failed")
    assert await there.sources(successor.id) == [(made.id, 50_00), (successor.id, -50_00)]


async def test_a_bank_sends_it_back_days_later(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await days(sandbox, 2)
    [made] = await there.payouts()
    assert made.status == "paid"
    more = str((await sandbox.transfer(there.id, 30_00)).destination_payment)

    await days(sandbox, 0.01)
    failed = await conclude(sandbox, made.id, "failed", failure_code="account_closed")
    await there.onboard("active")
    await days(sandbox, 3)

    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    successor = (await there.payouts())[0]
    assert (successor.status, successor.amount) == ("paid", 80_00)
    assert sorted(await there.sources(successor.id)) == sorted(
        [(more, 30_00), (made.id, 50_00), (successor.id, -80_00)]
    )
    assert (await there.types_told())[:5] == [
        "created",
        "updated",
        "paid",
        "reconciliation_completed",
        "failed",
    ]
    banks = (await sandbox.state())["objects"]["bank_account"]
    assert [bank["status"] for bank in banks] == ["errored", "new"]


async def test_a_bank_account_that_was_replaced_meanwhile_is_not_blamed(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await days(sandbox, 1)
    [made] = await there.payouts()
    await there.bank("000123456789")

    await conclude(sandbox, made.id, "failed")

    account = await sandbox.stripe.v1.accounts.retrieve_async(there.id)
    assert account.payouts_enabled is True
    assert (await there.payout(made.id)).failure_code == "could_not_process"


@pytest.mark.parametrize("when", ["pending", "in_transit", "paid"])
@pytest.mark.parametrize("outcome", ["paid", "failed"])
async def test_a_bank_answers_at_once(sandbox: Running, when: str, outcome: str) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    made = await there.by_hand(20_00)
    await days(sandbox, {"pending": 0, "in_transit": 0.01, "paid": 1}[when])
    assert (await there.payout(made.id)).status == when
    if (when, outcome) == ("paid", "paid"):
        answer = await sandbox.http.post(f"/_sandbox/payouts/{made.id}", json={"outcome": outcome})
        assert answer.status_code == 400
        return

    await conclude(sandbox, made.id, outcome)

    told = [event for event in await there.told() if event["data"]["object"]["id"] == made.id]
    assert [event["data"]["object"]["status"] for event in told] == {
        "pending": ["pending", "in_transit", outcome],
        "in_transit": ["pending", "in_transit", outcome],
        "paid": ["pending", "in_transit", "paid", "failed"],
    }[when]
    await days(sandbox, 1)
    assert (await there.payout(made.id)).status == outcome, "for good"


@pytest.mark.parametrize(
    ("payout", "body"),
    [
        ("po_1", {"outcome": "paid"}),
        ("made", {"outcome": "lost"}),
        ("made", {}),
        ("made", {"outcome": "paid", "failure_code": "declined"}),
        ("made", {"outcome": "failed", "failure_code": "bad_mood"}),
    ],
)
async def test_nonsense_is_no_answer(sandbox: Running, payout: str, body: Json) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    made = await there.by_hand(20_00)

    answer = await sandbox.http.post(
        f"/_sandbox/payouts/{made.id if payout == 'made' else payout}", json=body
    )

    assert (answer.status_code, "error" in answer.json()) == (400, True)
    assert (await there.payout(made.id)).status == "pending"


async def test_a_payout_by_hand(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)

    made = await there.by_hand(20_00, metadata={"withdrawal_id": "1"}, description="Wages")

    assert (made.status, made.automatic, made.amount) == ("pending", False, 20_00)
    assert (made.reconciliation_status, made.description) == ("not_applicable", "Wages")
    assert made.to_dict()["metadata"] == {"withdrawal_id": "1"}
    assert made.arrival_date % A_DAY_S == 0
    assert 0 < made.arrival_date - made.created <= A_DAY_S
    assert await there.available() == {"usd": 30_00}
    with pytest.raises(stripe.InvalidRequestError, match="can only be filtered on automatic"):
        await there.sources(made.id)
    described: Any = {"metadata": {"n": "1"}}
    await sandbox.stripe.v1.payouts.update_async(made.id, described, there.options)
    await days(sandbox, 2.5)
    assert (await there.payout(made.id)).status == "paid"
    [automatic] = [one for one in await there.payouts() if one.automatic]
    assert automatic.amount == 30_00
    told = [event for event in await there.told() if event["data"]["object"]["id"] == made.id]
    assert [event["type"] for event in told] == [
        "payout.created",
        "payout.updated",
        "payout.updated",
        "payout.paid",
    ]


async def test_only_what_is_still_pending_is_called_off(sandbox: Running) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    first, second = await there.by_hand(20_00), await there.by_hand(10_00)

    v1 = sandbox.stripe.v1
    canceled = await v1.payouts.cancel_async(first.id, None, there.options)

    assert (canceled.status, canceled.failure_code) == ("canceled", None)
    assert await there.available() == {"usd": 40_00}
    back = (await there.transactions(source=first.id))[0]
    assert (back.type, back.reporting_category, back.net) == ("payout_cancel", "payout_reversal", 20_00)
    assert back.id == canceled.failure_balance_transaction
    assert (await there.types_told())[-1] == "canceled"
    await days(sandbox, 1)
    [automatic] = [one for one in await there.payouts() if one.automatic]
    for payout in (first.id, second.id, automatic.id):
        with pytest.raises(stripe.InvalidRequestError):
            await v1.payouts.cancel_async(payout, None, there.options)
    answer = await sandbox.http.post(f"/_sandbox/payouts/{first.id}", json={"outcome": "paid"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"amount": 50_01}, "balance_insufficient"),
        ({"amount": 1, "currency": "eur"}, "balance_insufficient"),
        ({"amount": 0}, "parameter_invalid_integer"),
        ({"amount": 150, "currency": "huf"}, "parameter_invalid_integer"),
        ({"amount": -1}, "parameter_invalid_integer"),
        ({"method": "instant"}, "sandbox_unsupported"),
        ({"destination": "ba_1"}, "sandbox_unsupported"),
        ({"colour": "red"}, "parameter_unknown"),
    ],
)
async def test_nonsense_is_not_paid_out(sandbox: Running, params: Json, code: str) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)

    answer = await sandbox.http.post(
        "/v1/payouts",
        data={"amount": 1, "currency": "usd", **params},
        headers={"Stripe-Account": there.id},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert await there.available() == {"usd": 50_00}
    assert await there.payouts() == []


@pytest.mark.parametrize("outcome", ["payouts_disabled", "rejected"])
async def test_who_may_not_be_paid_is_not_by_hand_either(sandbox: Running, outcome: str) -> None:
    there = await contractor(sandbox)
    await sandbox.transfer(there.id)
    await there.onboard(outcome)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await there.by_hand(1)
    assert refusal.value.code == "payouts_not_allowed"
    assert await there.available() == {"usd": 50_00}


async def test_the_platform_is_not_paid_out_by_hand(sandbox: Running) -> None:
    answer = await sandbox.http.post("/v1/payouts", data={"amount": 1, "currency": "usd"})
    assert answer.json()["error"]["code"] == "sandbox_unsupported"
    assert await sandbox.available() == {"usd": 10_000_000_00}


async def test_what_left_the_platform_by_itself_may_come_back_too(sandbox: Running) -> None:
    await sandbox.control("/balance_transactions", type="payout", amount=-100, currency="usd")
    [planted] = (await sandbox.state())["objects"]["payout"]

    failed = await conclude(sandbox, planted["id"], "failed", failure_code="declined")

    assert (failed["status"], failed["failure_code"]) == ("failed", "declined")
    assert await sandbox.available() == {"usd": 10_000_000_00}
    booked = (await There(sandbox, "").transactions(source=planted["id"]))[0]
    assert (booked.id, booked.reporting_category) == (
        failed["failure_balance_transaction"],
        "payout_reversal",
    )


async def test_payouts_are_found_again(sandbox: Running) -> None:
    there, other = await contractor(sandbox), await contractor(sandbox)
    await sandbox.transfer(there.id)
    await sandbox.transfer(other.id)
    first = await there.by_hand(1)
    await days(sandbox, 0.02)
    second = await there.by_hand(2)
    await other.by_hand(3)

    assert [one.id for one in await there.payouts()] == [second.id, first.id]
    assert [one.id for one in await there.payouts(status="pending")] == [second.id]
    assert [one.id for one in await there.payouts(created={"gt": first.created})] == [second.id]
    assert [one.id for one in await there.payouts(destination=first.destination)] == [second.id, first.id]
    assert [one.id for one in await there.payouts(starting_after=second.id)] == [first.id]
    for nobody in (There(sandbox, ""), other):
        with pytest.raises(stripe.InvalidRequestError, match="No such payout"):
            await nobody.payout(first.id)


async def test_who_left_is_paid_all_the_same_and_nobody_is_told(sandbox: Running, receiver: Receiver) -> None:
    staying, leaving = await contractor(sandbox), await contractor(sandbox)
    for there in (staying, leaving):
        await sandbox.transfer(there.id)
        await there.by_hand(20_00)
        await there.bank("000111111116")
        await there.by_hand(30_00)
    await leaving.onboard("deauthorized")
    await sandbox.idle()
    receiver.forget()

    await days(sandbox, 3)

    state = await sandbox.idle()
    ends = [(state["owners"][one["id"]], one["amount"], one["status"]) for one in state["objects"]["payout"]]
    assert set(ends) == {
        (there.id, amount, status)
        for there in (staying, leaving)
        for amount, status in ((20_00, "paid"), (30_00, "failed"))
    }
    assert {one.event["account"] for one in receiver.deliveries} == {staying.id}


async def test_a_fault_is_meant_for_one_account(sandbox: Running) -> None:
    there, other = await contractor(sandbox), await contractor(sandbox)
    for one in (there, other):
        await sandbox.transfer(one.id)
    paying = {"amount": "100", "currency": "usd"}

    async def pay(one: There) -> int:
        headers = {"Stripe-Account": one.id, "Idempotency-Key": "payout:1"}
        return (await sandbox.http.post("/v1/payouts", data=paying, headers=headers)).status_code

    await sandbox.fault("error_500_before_commit", "/v1/payouts", account=there.id)
    before = [await pay(other), await pay(there)]
    await sandbox.fault("error_500_after_commit", "/v1/payouts", account=there.id)
    after = [await pay(other), await pay(there), await pay(there)]

    assert (before, after) == ([200, 500], [200, 500, 500]), "kept under the account's own key"
    assert [len(await one.payouts()) for one in (there, other)] == [1, 1]


async def test_the_same_seed_the_same_payouts(sandbox: Running) -> None:
    async def story() -> list[str]:
        await sandbox.reset(7)
        await until_noon(sandbox)
        there = await contractor(sandbox)
        await sandbox.transfer(there.id)
        await there.by_hand(1)
        await days(sandbox, 2.5)
        booked = [one.id for one in await there.transactions()]
        return [*(one.id for one in await there.payouts()), *booked, *(e["id"] for e in await there.told())]

    assert await story() == await story()


async def test_a_restart_goes_on_paying(tmp_path: Path, config: SandboxConfig) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3")
    async with running(lasting) as sandbox:
        await until_noon(sandbox)
        there = await contractor(sandbox)
        await sandbox.transfer(there.id)
        by_hand = await there.by_hand(20_00)

    async with running(lasting) as sandbox:
        there = There(sandbox, there.id)
        await days(sandbox, 1)
        [automatic, first] = await there.payouts()
        assert (first.id, first.status) == (by_hand.id, "paid")

    async with running(lasting) as sandbox:
        there = There(sandbox, there.id)
        await days(sandbox, 1.5)
        assert (await there.payout(automatic.id)).reconciliation_status == "completed"
        assert await there.available() == {"usd": 0}
