"""Invariants 6 and 7 for escrows: whatever was tampered with is found and named, and traffic never is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from domain import ledger
from domain.kernel.database import Row, Tx
from domain.ledger import Account, Kind, NewEntry, Platform, PlatformKind, Posting
from domain.ledger.books import digest
from tests.house import House, Person

AGREES = "6 operation agrees with its entries"
RESTS = "7 escrow's account holds its rest"
HOLDS = "7 account holds what its operation says"
FEES = Account.platform(Platform.FEES)
BOOKS = ("escrows", "escrow_moves", "entries", "statement_lines", "wallets")


@dataclass(frozen=True)
class Jobs:
    """`running`: 100 dollars, of which 30 are released and 10 refunded. `done`: 50, all released."""

    house: House
    ada: Person
    grace: Person
    running: dict[str, Any]
    done: dict[str, Any]

    @property
    def account(self) -> str:
        return f"escrow:{self.running['id']}"

    async def change(self, which: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """An escrow's document (the running one's), behind the product's back."""
        await self._change("escrows", {"_id": (which or self.running)["id"]}, fields)

    async def change_move(self, which: int, **fields: Any) -> None:
        await self._change("escrow_moves", {"escrow": self.running["id"], "number": which}, fields)

    async def forge_entry(self, number: int, **fields: Any) -> None:
        """Of the running one's move, with a hash that fits."""
        entries, ref = self.house.collection("entries"), await self.ref(number)
        paths = {name.replace("__", "."): value for name, value in fields.items()}
        await self._change("entries", {"ref": ref}, paths)
        row = await entries.find_one({"ref": paths.get("ref", ref)}, {"hash": 0})
        await entries.update_one({"_id": row["_id"]}, {"$set": {"hash": digest(row)}})

    async def forget(self, collection: str, **criteria: Any) -> None:
        row: Row | None = await self.house.collection(collection).find_one_and_delete(criteria)
        assert row is not None

    async def post(self, *moves: tuple[Account, Account, int], ref: str, operation: str, kind: Any) -> None:
        """An entry by the front door, that no verb of escrow would ask for."""
        entry = NewEntry(ref, kind, "USD", [Posting(*move) for move in moves], operation, "admin")

        async def work(tx: Tx) -> None:
            await ledger.post(tx, entry)

        await self.house.runtime.database.transact(work)

    async def ref(self, number: int) -> str:
        criteria = {"escrow": self.running["id"], "number": number}
        move = await self.house.collection("escrow_moves").find_one(criteria)
        return f"{self.account}:move:{move['_id']}"

    @asynccontextmanager
    async def restored(self) -> AsyncIterator[None]:
        """What the block does to the books is undone: to make them anew takes longer than to prove them."""
        collections = [self.house.collection(name) for name in BOOKS]
        before = [await collection.find().to_list() for collection in collections]
        yield
        for collection, rows in zip(collections, before, strict=True):
            await collection.delete_many({})
            await collection.insert_many(rows)

    async def violations(self) -> set[tuple[str, str]]:
        return {(found.invariant, found.subject) for found in (await self.house.report()).violations}

    async def _change(self, collection: str, criteria: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        result = await self.house.collection(collection).update_one(criteria, {"$set": fields})
        assert result.modified_count == 1


@pytest.fixture
async def jobs(house: House) -> Jobs:
    ada = await house.funded(await house.customer("ada"), usd=1_000_00)
    grace = await house.contractor("grace")
    running, done = [await ada.hires(grace, usd=price) for price in (100_00, 50_00)]
    await ada.release_escrow(running, 30_00)
    await grace.refund_escrow(running, 10_00)
    await ada.release_escrow(done)
    return Jobs(house, ada, grace, running, done)


async def test_sound_jobs_are_found_sound(jobs: Jobs) -> None:
    await jobs.ada.hires(jobs.grace, usd=20_00, accepted=False)
    await jobs.grace.dispute_escrow(jobs.running)
    assert await jobs.violations() == set()


Crime = Callable[[Jobs], Awaitable[object]]


async def say_released_without_a_move(jobs: Jobs) -> None:
    await jobs.change(released=90_00, status="SPLIT", locked=0)


async def pay_past_the_escrow(jobs: Jobs) -> None:
    """Out of the account by an entry that is nobody's move."""
    move = (Account.escrow(jobs.running["id"]), FEES, 1_00)
    ref = f"{jobs.account}:move:esm_forged"
    await jobs.post(move, ref=ref, operation=jobs.running["id"], kind=Kind.ESCROW_RELEASED)


async def fill_from_elsewhere(jobs: Jobs) -> None:
    move = (FEES, Account.escrow(jobs.done["id"]), 1)
    await jobs.post(move, ref="elsewhere", operation="op", kind=PlatformKind.UNEXPLAINED)


async def pay_into_anothers_wallet(jobs: Jobs) -> None:
    charles = await jobs.house.customer("charles")
    wallet = await ledger.open_wallet(charles.id, "USD")
    await jobs.change(contractor_wallet=wallet.id)


async def release_more_than_the_price(jobs: Jobs) -> None:
    await jobs.change_move(1, amount=100_01)


async def orphan_a_move(jobs: Jobs) -> None:
    await jobs.change_move(2, escrow="esc_gone")


def posted(amount: int) -> dict[str, object]:
    return {"postings__0__amount": amount}


# Invariant, subject, crime. A subject may name {running}, {done}, {account}, {move}: the ref of the first.
CRIMES: list[tuple[str, str, Crime]] = [
    (AGREES, "{running}", lambda j: j.change(released=31_00)),
    (AGREES, "{running}", lambda j: j.change(refunded=9_99)),
    (AGREES, "{running}", lambda j: j.change(moves_made=3)),
    (AGREES, "{running}", lambda j: j.change(status="ACCEPTED")),
    (AGREES, "{running}", lambda j: j.change(status="RELEASED")),
    (AGREES, "{running}", lambda j: j.change(status="EXPIRED")),
    (AGREES, "{running}", lambda j: j.change(history=[])),
    (AGREES, "{running}", lambda j: j.change(price=0)),
    (AGREES, "{running}", lambda j: j.change(currency="EUR")),
    (AGREES, "{running}", lambda j: j.change(status="LOST")),
    (AGREES, "{running}", lambda j: j.change(contractor_wallet=None)),
    (AGREES, "{running}", pay_into_anothers_wallet),
    (AGREES, "{running}", say_released_without_a_move),
    (AGREES, "{running}", release_more_than_the_price),
    (AGREES, "{done}", lambda j: j.change(j.done, status="SPLIT")),
    (AGREES, "{done}", lambda j: j.change(j.done, status="PARTIALLY_RELEASED")),
    # The rates decide every amount: with others, each of them is wrong.
    (AGREES, "{account}:funded", lambda j: j.change(platform_fee_bps=501)),
    (AGREES, "esm_", lambda j: j.change(service_fee_bps=1_000)),
    (AGREES, "esm_", lambda j: j.change_move(1, net=24_01)),
    (AGREES, "esm_", lambda j: j.change_move(1, fees=1)),
    (AGREES, "esm_", lambda j: j.change_move(2, number=3)),
    (AGREES, "esm_", orphan_a_move),
    (AGREES, "{move}", lambda j: j.forge_entry(1, **posted(23_99))),
    (AGREES, "{move}", lambda j: j.forge_entry(1, kind="ESCROW_REFUNDED")),
    (AGREES, "{move}", lambda j: j.forge_entry(1, currency="EUR")),
    (AGREES, "{move}", lambda j: j.forge_entry(1, ref="elsewhere")),
    (AGREES, "{move}", lambda j: j.forge_entry(1, operation="esc_gone")),
    (AGREES, "{account}:funded", lambda j: j.forget("entries", ref=f"{j.account}:funded")),
    (AGREES, "{account}:funded", lambda j: j.forget("escrows", _id=j.running["id"])),
    (AGREES, "{move}", lambda j: j.forget("escrow_moves", escrow=j.running["id"], number=1)),
    (AGREES, "{account}:move:esm_forged", pay_past_the_escrow),
    (HOLDS, "{account}", pay_past_the_escrow),
    (HOLDS, "escrow:{done}", fill_from_elsewhere),
    (HOLDS, "{account}", lambda j: j.forget("entries", ref=f"{j.account}:funded")),
    (HOLDS, "{account}", lambda j: j.forget("escrows", _id=j.running["id"])),
    (HOLDS, "{account}", lambda j: j.change(locked=63_01)),
    (RESTS, "{running}", lambda j: j.change(locked=63_01)),
    (RESTS, "{done}", lambda j: j.change(j.done, locked=1)),
]


async def test_what_was_tampered_with_is_found_and_named(jobs: Jobs) -> None:
    running, done = jobs.running["id"], jobs.done["id"]
    names = {"running": running, "done": done, "account": jobs.account, "move": await jobs.ref(1)}
    for number, (invariant, subject, crime) in enumerate(CRIMES):
        named = subject.format(**names)
        async with jobs.restored():
            await crime(jobs)
            violations = await jobs.violations()
            assert any(broken == invariant and whose.startswith(named) for broken, whose in violations), (
                number,
                invariant,
                subject,
                violations,
            )
    assert await jobs.violations() == set()


async def test_running_traffic_is_never_taken_for_a_violation(house: House) -> None:
    ada = await house.funded(await house.customer("ada"), usd=100_000_00)
    grace = await house.contractor("grace")
    busy = True
    finished = 0

    async def trade() -> None:
        nonlocal finished
        while busy:
            job = await ada.hires(grace, usd=10_01)
            await asyncio.gather(ada.release_escrow(job, 3_33), grace.refund_escrow(job, 3_33))
            await ada.release_escrow(job)
            finished += 1

    async with asyncio.TaskGroup() as traders:
        for _ in range(3):
            traders.create_task(trade())
        reports = [await house.report() for _ in range(10)]
        busy = False
    assert [report.violations for report in reports] == [[]] * 10
    assert finished > 3
    assert reports[-1].entries > reports[0].entries
    assert await house.ledger_is_sound()
