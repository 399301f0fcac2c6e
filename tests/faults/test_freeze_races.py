"""A freeze and what it forbids, in transactions that overlap: one wins, and the other has seen it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain import ledger
from domain.kernel.database import Tx
from domain.kernel.errors import WalletFrozen
from domain.ledger import Account, FreezeCause, Kind, NewEntry, Platform, Posting, Wallet
from tests.house import House

Step = Callable[[Tx, str], Awaitable[Any]]


async def freeze(tx: Tx, wallet: str) -> None:
    changed = await ledger.freeze(
        tx, wallet, cause=FreezeCause.ADMIN, operation=None, by="usr_edith", reason="a test."
    )
    assert changed


async def unfreeze(tx: Tx, wallet: str) -> None:
    changed = await ledger.unfreeze(
        tx, wallet, cause=FreezeCause.ADMIN, operation=None, by="usr_edith", reason="a test."
    )
    assert changed


async def reserve(tx: Tx, wallet: str) -> None:
    """What a person asks for: a withdrawal's hold."""
    move = Posting(Account.available(wallet), Account.held(wallet), 10_00)
    await post(tx, "withdrawal:wdr_1:reserved", Kind.WITHDRAWAL_REQUESTED, move)


async def credit(tx: Tx, wallet: str) -> None:
    """What Stripe did already."""
    move = Posting(Account.platform(Platform.STRIPE), Account.available(wallet), 25_00)
    await post(tx, "deposit:dep_1:succeeded", Kind.DEPOSIT, move)


async def post(tx: Tx, ref: str, kind: Kind, move: Posting) -> None:
    operation = ref.split(":")[1]
    step = NewEntry(ref=ref, kind=kind, currency="USD", postings=[move], operation=operation, actor="test")
    await ledger.post(tx, step)


@pytest.fixture
async def wallet(house: House) -> Wallet:
    """With 25.00 in it."""
    opened = await ledger.open_wallet("usr_ada", "USD")
    move = Posting(Account.platform(Platform.STRIPE), Account.available(opened.id), 25_00)
    await house.runtime.database.transact(lambda tx: post(tx, "deposit:dep_0:succeeded", Kind.DEPOSIT, move))
    return opened


class Overlap:
    """Two steps about one wallet, each in a transaction of its own.

    `late` has taken its snapshot before `early` commits, and takes its step after it. `runs` counts late's.
    """

    def __init__(self, house: House, wallet: Wallet) -> None:
        self._database = house.runtime.database
        self._wallet = wallet.id
        self.runs = 0

    async def run(self, early: Step, late: Step) -> None:
        """Raises what `late` raises."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def late_work(tx: Tx) -> None:
            self.runs += 1
            assert await ledger.wallet(self._wallet, tx)  # the snapshot is taken by the first read
            begun.set()
            await go_on.wait()
            await late(tx, self._wallet)

        running = asyncio.create_task(self._database.transact(late_work))
        await begun.wait()
        await self._database.transact(lambda tx: early(tx, self._wallet))
        go_on.set()
        await running


async def changes(house: House) -> list[bool]:
    return [row["frozen"] async for row in house.collection("freeze_changes").find().sort("_id", 1)]


@pytest.mark.parametrize("leaving", [ledger.guard_send, reserve])
async def test_what_would_leave_sees_the_freeze_that_was_first(
    house: House, wallet: Wallet, leaving: Step
) -> None:
    overlap = Overlap(house, wallet)
    with pytest.raises(WalletFrozen, match="a test"):
        await overlap.run(freeze, leaving)
    assert overlap.runs == 2
    after = await ledger.wallet(wallet.id)
    assert after is not None
    assert (after.frozen, after.available, after.held, after.guard) == (True, 25_00, 0, 0)
    assert await changes(house) == [True]


@pytest.mark.parametrize("leaving", [ledger.guard_send, reserve])
async def test_a_freeze_sees_what_left_before_it(house: House, wallet: Wallet, leaving: Step) -> None:
    overlap = Overlap(house, wallet)
    await overlap.run(leaving, freeze)
    assert overlap.runs == 2
    after = await ledger.wallet(wallet.id)
    assert after is not None
    assert after.frozen
    assert (after.held, after.guard) == ((10_00, 0) if leaving is reserve else (0, 1))
    # What ran twice is on record once.
    assert await changes(house) == [True]


@pytest.mark.parametrize("late", [freeze, credit])
async def test_a_freeze_and_a_credit_both_stay(house: House, wallet: Wallet, late: Step) -> None:
    """A post writes the freezes it read: none may be lost with it."""
    overlap = Overlap(house, wallet)
    await overlap.run(credit if late is freeze else freeze, late)
    after = await ledger.wallet(wallet.id)
    assert after is not None
    assert (overlap.runs, after.frozen, after.available) == (2, True, 50_00)
    assert await changes(house) == [True]


@pytest.mark.parametrize("late", [unfreeze, credit])
async def test_an_unfreezing_and_a_credit_both_stay(house: House, wallet: Wallet, late: Step) -> None:
    await house.runtime.database.transact(lambda tx: freeze(tx, wallet.id))
    overlap = Overlap(house, wallet)
    await overlap.run(credit if late is unfreeze else unfreeze, late)
    after = await ledger.wallet(wallet.id)
    assert after is not None
    assert (overlap.runs, after.frozen, after.available) == (2, False, 50_00)
    assert await changes(house) == [True, False]


async def test_of_many_that_freeze_at_once_one_does(house: House, wallet: Wallet) -> None:
    async def freeze_for(number: int) -> bool:
        async def work(tx: Tx) -> bool:
            return await ledger.freeze(
                tx,
                wallet.id,
                cause=FreezeCause.ADMIN,
                operation=None,
                by=f"usr_{number}",
                reason=f"reason {number}",
            )

        return await house.runtime.database.transact(work)

    assert sum(await asyncio.gather(*map(freeze_for, range(10)))) == 1
    after = await ledger.wallet(wallet.id)
    assert after is not None
    [record] = after.freezes
    [change] = await house.collection("freeze_changes").find().to_list()
    assert (change["by"], change["reason"], change["at"]) == (record.by, record.reason, record.at)
