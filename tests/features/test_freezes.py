"""Freezing a wallet: nothing leaves it on its owner's word, and it is on record who did it and why."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain import ledger
from domain.kernel.database import Tx
from domain.ledger import FreezeCause, LedgerBug
from tests.house import House, Person

CHANGE = """
mutation ($input: WalletDecisionInput!) {
  payload: %s(input: $input) {
    wallet { id frozen freezes { cause operationId reason at by } }
    userErrors { __typename code message path }
  }
}
"""
HISTORY = """
query ($id: ID!) {
  node(id: $id) {
    ... on Wallet { freezeChanges { edges { node { cause operationId frozen by reason at } } } }
  }
}
"""
WATCH = "subscription { walletUpdated { frozen freezes { cause reason by } } }"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def wallet_id(person: Person) -> str:
    return str((await person.data("{ wallet { id } }"))["wallet"]["id"])


async def freeze(admin: Person, wallet: str, reason: str = "a call from her bank.") -> dict[str, Any]:
    """The whole payload of freezeWallet."""
    return await decide(admin, "freezeWallet", wallet, reason)


async def unfreeze(admin: Person, wallet: str, reason: str = "the bank was wrong.") -> dict[str, Any]:
    """The whole payload of unfreezeWallet."""
    return await decide(admin, "unfreezeWallet", wallet, reason)


async def decide(admin: Person, mutation: str, wallet: str, reason: str) -> dict[str, Any]:
    command = {"input": {"walletId": wallet, "reason": reason}}
    payload: dict[str, Any] = (await admin.data(CHANGE % mutation, command))["payload"]
    return payload


async def history(admin: Person, wallet: str) -> list[dict[str, Any]]:
    """The record, oldest first, without its times."""
    edges = (await admin.data(HISTORY, {"id": wallet}))["node"]["freezeChanges"]["edges"]
    return [{key: value for key, value in edge["node"].items() if key != "at"} for edge in reversed(edges)]


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


async def test_a_wallet_is_frozen_with_a_reason_and_unfrozen_again(
    house: House, ada: Person, edith: Person
) -> None:
    wallet = await wallet_id(ada)
    frozen = (await freeze(edith, wallet))["wallet"]
    assert frozen["frozen"] is True
    [freeze_now] = frozen["freezes"]
    assert freeze_now["at"]
    assert (freeze_now["cause"], freeze_now["operationId"]) == ("ADMIN", None)
    assert (freeze_now["reason"], freeze_now["by"]) == ("a call from her bank.", edith.id)
    # Its owner hears why, and not of whom.
    own = (await ada.data("{ wallet { frozen freezes { cause reason by } } }"))["wallet"]
    assert own["frozen"] is True
    assert own["freezes"] == [{"cause": "ADMIN", "reason": "a call from her bank.", "by": None}]
    refused = await ada.create_deposit(25_00)
    assert codes(refused) == ["WALLET_FROZEN"]

    thawed = (await unfreeze(edith, wallet))["wallet"]
    assert (thawed["frozen"], thawed["freezes"]) == (False, [])
    await ada.deposits(usd=25_00)
    change = {"cause": "ADMIN", "operationId": None, "by": edith.id}
    assert await history(edith, wallet) == [
        {**change, "frozen": True, "reason": "a call from her bank."},
        {**change, "frozen": False, "reason": "the bank was wrong."},
    ]
    assert await house.ledger_is_sound()


async def test_again_is_no_change_and_the_first_reason_stays(
    house: House, ada: Person, edith: Person
) -> None:
    wallet, mallory = await wallet_id(ada), await house.admin("mallory")
    first = await freeze(edith, wallet)
    again = await freeze(mallory, wallet, "another reason.")
    assert codes(again) == []
    assert again["wallet"] == first["wallet"]
    assert len(await history(edith, wallet)) == 1

    await unfreeze(mallory, wallet)
    refused = await unfreeze(edith, wallet)
    assert refused["wallet"] is None
    [error] = refused["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_STATE", ["walletId"])
    assert len(await history(edith, wallet)) == 2


async def test_the_owner_sees_it_come_and_go(ada: Person, edith: Person) -> None:
    wallet = await wallet_id(ada)
    async with ada.subscribe(WATCH) as updates:
        assert (await updates.next() or {})["walletUpdated"] == {"frozen": False, "freezes": []}
        await freeze(edith, wallet)
        seen = (await updates.next() or {})["walletUpdated"]
        assert seen["freezes"] == [{"cause": "ADMIN", "reason": "a call from her bank.", "by": None}]
        await unfreeze(edith, wallet)
        assert (await updates.next() or {})["walletUpdated"]["frozen"] is False


async def test_what_comes_in_is_posted_all_the_same(house: House, ada: Person, edith: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await freeze(edith, await wallet_id(ada))
    await house.pay(deposit)
    await house.settled(ada, deposit)
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


async def test_only_admins_freeze_and_nobody_unfreezes_their_own(house: House, ada: Person) -> None:
    admin = await house.admin()
    wallet, own = await wallet_id(ada), await wallet_id(admin)
    for mutation in ("freezeWallet", "unfreezeWallet"):
        command = {"input": {"walletId": wallet, "reason": "why not"}}
        assert (await ada.ask(CHANGE % mutation, command)).code == "FORBIDDEN"
        assert (await house.nobody().ask(CHANGE % mutation, command)).code == "UNAUTHENTICATED"
    assert (await ada.ask(HISTORY, {"id": wallet})).code == "FORBIDDEN"

    assert codes(await freeze(admin, own)) == []
    command = {"input": {"walletId": own, "reason": "why not"}}
    assert (await admin.ask(CHANGE % "unfreezeWallet", command)).code == "FORBIDDEN"
    assert [change["frozen"] for change in await history(admin, own)] == [True]
    assert codes(await unfreeze(await house.admin("mallory"), own)) == []


@pytest.mark.parametrize("decision", [freeze, unfreeze])
async def test_bad_input_changes_nothing(
    house: House,
    ada: Person,
    edith: Person,
    decision: Callable[[Person, str, str], Awaitable[dict[str, Any]]],
) -> None:
    wallet = await wallet_id(ada)
    if decision is unfreeze:
        await freeze(edith, wallet)
    before = await history(edith, wallet)
    for reason in ("", "   ", "x" * 501):
        [error] = (await decision(edith, wallet, reason))["userErrors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["reason"])
    for nothing in ("", "wal_nobody", ada.id):
        [error] = (await decision(edith, nothing, "why not"))["userErrors"]
        assert (error["code"], error["path"]) == ("NOT_FOUND", ["walletId"])
    assert await history(edith, wallet) == before
    assert await house.count("freeze_changes") == len(before)


async def test_each_cause_and_operation_ends_only_its_own(house: House, ada: Person, edith: Person) -> None:
    wallet = await wallet_id(ada)

    async def change(verb: Any, operation: str) -> bool:
        async def work(tx: Tx) -> bool:
            return bool(
                await verb(
                    tx,
                    wallet,
                    cause=FreezeCause.DISPUTE,
                    operation=operation,
                    by=operation,
                    reason="a payment is disputed.",
                )
            )

        return await house.runtime.database.transact(work)

    assert codes(await unfreeze(edith, wallet)) == ["INVALID_STATE"]
    assert await change(ledger.freeze, "dsp_1")
    assert await change(ledger.freeze, "dsp_2")
    assert not await change(ledger.freeze, "dsp_1")
    # A dispute's freeze is not an administrator's, who can neither end it nor is kept from one of their own.
    assert codes(await unfreeze(edith, wallet)) == ["INVALID_STATE"]
    assert codes(await freeze(edith, wallet)) == []
    assert await change(ledger.unfreeze, "dsp_1")
    assert not await change(ledger.unfreeze, "dsp_1")
    assert not await change(ledger.unfreeze, "dsp_3")

    thawed = (await unfreeze(edith, wallet))["wallet"]
    assert [(one["cause"], one["operationId"]) for one in thawed["freezes"]] == [("DISPUTE", "dsp_2")]
    assert await change(ledger.unfreeze, "dsp_2")
    told = [(one["operationId"], one["frozen"]) for one in await history(edith, wallet)]
    assert told == [
        *[("dsp_1", True), ("dsp_2", True), (None, True)],
        *[("dsp_1", False), (None, False), ("dsp_2", False)],
    ]
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("verb", [ledger.freeze, ledger.unfreeze])
async def test_a_debt_is_no_caller_s_to_freeze_for(house: House, ada: Person, verb: Any) -> None:
    wallet = await wallet_id(ada)
    with pytest.raises(LedgerBug, match="a debt"):
        await house.runtime.database.transact(
            lambda tx: verb(tx, wallet, cause=FreezeCause.DEBT, operation="dep_1", by="dep_1", reason="owed")
        )
    with pytest.raises(LedgerBug, match="not there"):
        await house.runtime.database.transact(
            lambda tx: verb(tx, "wal_0", cause=FreezeCause.ADMIN, operation=None, by="usr_1", reason="why")
        )
    assert await house.count("freeze_changes") == 0
