"""withdrawalUpdated: the state now, then each change, the last one never missed; complete when settled."""

import asyncio
import itertools
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.features.test_freezes import freeze, unfreeze, wallet_id
from tests.house import House, Person

FUNDS = 100_00
WATCH = """
subscription ($id: ID!) {
  withdrawalUpdated(id: $id) {
    id status attempts nextAttemptAt transferId failure { code } waitingFor { code until } reversed { amount }
    updatedAt history { status }
  }
}
"""
WALLET = "subscription { walletUpdated { available { amount } held { amount } } }"


@pytest.fixture
async def grace(house: House) -> Person:
    """A contractor with 100 dollars, whose account is ready."""
    return await house.funded(await house.onboarded(), usd=FUNDS)


async def watched(person: Person, withdrawal: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that the person hears of it, until there is nothing more to hear."""
    async with person.subscribe(WATCH, {"id": withdrawal["id"]}) as updates:
        return [update["withdrawalUpdated"] for update in await updates.until_complete()]


async def pay_out(house: House, person: Person, outcome: str = "paid", **more: Any) -> None:
    """What is in the person's Stripe account goes to the bank, which answers."""
    await house.stripe.control(f"/accounts/{await house.acct(person)}/payout")
    payout = (await house.stripe.objects("payout"))[-1]
    await house.stripe.control(f"/payouts/{payout['id']}", {"outcome": outcome, **more})


async def test_from_the_request_to_the_bank(house: House, grace: Person) -> None:
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
    async with grace.subscribe(WATCH, {"id": withdrawal["id"]}) as updates:
        seen = [(await updates.next() or {})["withdrawalUpdated"]]
        assert seen[0]["id"] == withdrawal["id"]
        while seen[-1]["status"] != "IN_TRANSIT":
            seen.append((await updates.next() or {})["withdrawalUpdated"])
        await pay_out(house, grace)
        seen += [update["withdrawalUpdated"] for update in await updates.until_complete()]
    assert [change["status"] for change in seen[-1]["history"]] == [
        *("PENDING", "PROCESSING", "IN_TRANSIT", "PAID")
    ]
    assert (seen[-1]["status"], seen[-1]["waitingFor"]) == ("PAID", None)
    # Only forwards, and nothing twice.
    lengths = [len(state["history"]) for state in seen]
    assert lengths == sorted(lengths)
    assert all(before != after for before, after in itertools.pairwise(seen))
    assert await house.ledger_is_sound()


async def test_many_listeners_each_hear_the_end(house: House, grace: Person) -> None:
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        edith = await house.admin()
        # An administrator may look on.
        listening = asyncio.gather(*(watched(person, withdrawal) for person in [grace] * 19 + [edith]))
        await house.until(lambda: _listens(20))
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    await pay_out(house, grace)
    for seen in await listening:
        assert seen[-1]["status"] == "PAID"


async def _listens(count: int) -> bool:
    return (REGISTRY.get_sample_value("jobsphere_watchers") or 0) >= count


async def test_what_is_settled_is_told_once(house: House, grace: Person) -> None:
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await grace.cancel_withdrawal(withdrawal)
        [only] = await watched(grace, withdrawal)
    assert (only["status"], only["waitingFor"], only["nextAttemptAt"]) == ("CANCELED", None, None)


async def test_a_refusal_ends_it_and_says_why(house: House, grace: Person) -> None:
    await house.stripe.fault("POST", "/v1/transfers", "error_400", code="account_closed")
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
    last = (await watched(grace, withdrawal))[-1]
    assert (last["status"], last["failure"]) == ("FAILED", {"code": "account_closed"})
    assert (await grace.available(), await grace.held()) == (FUNDS, 0)
    assert await house.ledger_is_sound()


async def test_what_it_waits_for_is_told(house: House, grace: Person) -> None:
    edith, wallet = await house.admin(), await wallet_id(grace)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await freeze(edith, wallet)
    async with grace.subscribe(WATCH, {"id": withdrawal["id"]}) as updates:
        state: dict[str, Any] = {}
        while (state.get("waitingFor") or {}).get("code") != "WALLET_FROZEN":
            state = (await updates.next() or {})["withdrawalUpdated"]
        await unfreeze(edith, wallet)
        while state["status"] != "IN_TRANSIT":
            state = (await updates.next() or {})["withdrawalUpdated"]
    assert state["waitingFor"]["code"] == "BANK"


async def test_the_wallet_tells_what_is_held(house: House, grace: Person) -> None:
    async with house.worker_away(), grace.subscribe(WALLET) as updates:
        told = [(await updates.next() or {})["walletUpdated"]]
        withdrawal = await grace.withdraws(usd=20_00)
        told.append((await updates.next() or {})["walletUpdated"])
        await grace.cancel_withdrawal(withdrawal)
        told.append((await updates.next() or {})["walletUpdated"])
    assert [(state["available"]["amount"], state["held"]["amount"]) for state in told] == [
        (FUNDS, 0),
        (FUNDS - 20_00, 20_00),
        (FUNDS, 0),
    ]


async def test_another_process_hears_what_happens_here(house: House, grace: Person) -> None:
    async with house.worker_away(), house.another_api() as url:
        there = Person(f"{url}/graphql", house.http)
        there.token = grace.token
        withdrawal = await grace.withdraws(usd=20_00)
        async with there.subscribe(WATCH, {"id": withdrawal["id"]}) as updates:
            first = (await updates.next() or {})["withdrawalUpdated"]
            assert first["status"] == "PENDING"
            await grace.cancel_withdrawal(withdrawal)
            seen = await updates.until_complete()
    assert [update["withdrawalUpdated"]["status"] for update in seen] == ["CANCELED"]
