"""Subscriptions: the state now, then changes, the last one never missed; complete when settled."""

import asyncio
from typing import Any

import httpx
import pytest
import websockets

from sandbox.processes import any_free_port
from tests.house import House, Person

DEPOSIT = "subscription ($id: ID!) { depositUpdated(id: $id) { id status clientSecret history { status } } }"
WALLET = """
subscription ($currency: CurrencyCode! = "USD") {
  walletUpdated(currency: $currency) { currency available { amount } incoming { amount } }
}
"""


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


async def test_a_deposit_tells_its_state_at_once_then_each_change(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    async with ada.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
        first = (await updates.next() or {})["depositUpdated"]
        assert (first["status"], first["clientSecret"]) == ("REQUIRES_PAYMENT", deposit["clientSecret"])

        await house.pay(deposit, "pm_card_chargeDeclined")
        assert (await updates.next() or {})["depositUpdated"]["status"] == "FAILED"

        await house.pay(deposit)
        last = (await updates.next() or {})["depositUpdated"]
        assert (last["status"], last["clientSecret"]) == ("SUCCEEDED", None)
        assert await updates.next() is None


async def test_what_is_settled_is_told_once(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)

    async with ada.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
        [only] = await updates.until_complete()
    assert only["depositUpdated"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize("listeners", [1, 20])
async def test_of_many_quick_changes_the_last_is_never_missed(
    house: House, ada: Person, listeners: int
) -> None:
    deposit = await ada.deposits(usd=25_00)

    async def listen() -> list[dict[str, Any]]:
        async with ada.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
            return [update["depositUpdated"] for update in await updates.until_complete()]

    listening = [asyncio.create_task(listen()) for _ in range(listeners)]
    for _ in range(5):
        await house.pay(deposit, "pm_card_chargeDeclined")
    await house.pay(deposit)

    for seen in await asyncio.gather(*listening):
        assert seen[-1]["status"] == "SUCCEEDED"
        # Intermediate states may be merged; none comes back.
        lengths = [len(state["history"]) for state in seen]
        assert lengths == sorted(lengths)


async def test_somebody_elses_deposit_is_null(house: House, ada: Person) -> None:
    charles, edith = await house.customer("charles"), await house.admin()
    deposit = await ada.deposits(usd=25_00)

    for deposit_id in (deposit["id"], "dep_nobody", ""):
        async with charles.subscribe(DEPOSIT, {"id": deposit_id}) as updates:
            assert await updates.until_complete() == [{"depositUpdated": None}]
    async with edith.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
        seen = (await updates.next() or {})["depositUpdated"]
    assert (seen["status"], seen["clientSecret"]) == ("REQUIRES_PAYMENT", None)


async def test_a_wallet_tells_every_credit(house: House, ada: Person) -> None:
    async with ada.subscribe(WALLET) as updates:
        wallet = (await updates.next() or {})["walletUpdated"]
        assert wallet == {"currency": "USD", "available": {"amount": 0}, "incoming": {"amount": 0}}
        for expected in (10_00, 20_00):
            await house.pay(await ada.deposits(usd=10_00))
            while wallet["available"]["amount"] != expected:
                wallet = (await updates.next() or {})["walletUpdated"]


async def test_a_wallet_tells_what_is_incoming(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    async with ada.subscribe(WALLET) as updates:
        await updates.next()
        changes = {"status": "PROCESSING"}
        await house.collection("deposits").update_one({"_id": deposit["id"]}, {"$set": changes})
        assert (await updates.next() or {})["walletUpdated"]["incoming"]["amount"] == 25_00


async def test_a_wallet_of_a_foreign_currency_is_null(ada: Person) -> None:
    async with ada.subscribe(WALLET, {"currency": "GBP"}) as updates:
        assert await updates.until_complete() == [{"walletUpdated": None}]


async def test_nobody_hears_of_others_money(house: House, ada: Person) -> None:
    charles = await house.customer("charles")
    async with charles.subscribe(WALLET) as updates:
        await updates.next()
        deposit = await ada.deposits(usd=25_00)
        await house.pay(deposit)
        await house.settled(ada, deposit)
        with pytest.raises(TimeoutError):
            await updates.next(timeout_s=0.5)


async def test_nobody_may_listen_to_nothing(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    async with house.nobody().subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
        assert await updates.refusal() == "UNAUTHENTICATED"
    async with house.nobody().subscribe(WALLET) as updates:
        assert await updates.refusal() == "UNAUTHENTICATED"


async def test_a_bad_token_opens_no_socket(house: House) -> None:
    stranger = house.nobody()
    stranger.token = "not a token"
    with pytest.raises(websockets.ConnectionClosed) as closed:
        async with stranger.subscribe(WALLET):
            pass
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_another_process_hears_what_happens_here(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    port = any_free_port()
    async with house.process("serve", port=str(port)):
        there = Person(f"http://127.0.0.1:{port}/graphql", house.http)
        there.token = ada.token
        await house.until(lambda: is_ready(house, port))
        async with there.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
            assert (await updates.next() or {})["depositUpdated"]["status"] == "REQUIRES_PAYMENT"
            await house.pay(deposit)
            [last] = await updates.until_complete()
        assert last["depositUpdated"]["status"] == "SUCCEEDED"
        assert await there.available() == 25_00


async def is_ready(house: House, port: int) -> bool:
    try:
        return (await house.http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_changes_that_the_stream_lost_are_read_anew(house: House, ada: Person) -> None:
    """Its cursor is killed at the server, and what happens meanwhile is told all the same."""
    deposit = await ada.deposits(usd=25_00)
    async with ada.subscribe(DEPOSIT, {"id": deposit["id"]}) as updates:
        await updates.next()
        await house.end_transactions()
        await house.pay(deposit)
        assert (await updates.until_complete())[-1]["depositUpdated"]["status"] == "SUCCEEDED"
