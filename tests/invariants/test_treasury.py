"""Invariant 8: Stripe holds for us what the books say. And 6, for each movement that was read."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from domain import ledger, treasury
from domain.kernel.database import Row, Tx
from domain.ledger import Account, Kind, NewEntry, Platform, PlatformKind, Posting
from tests.house import House
from tests.house.treasury import OPENING_FLOAT, at_stripe, cards_settle, plant, platform

STRIPE, UNEXPLAINED, BANK = map(Account.platform, (Platform.STRIPE, Platform.UNEXPLAINED, Platform.BANK))
HOLDS = "8 Stripe holds what the books say"
AGREES = "6 movement at Stripe agrees with its entries"
DAY_S = 86_400
COUNTED = "1 entries, 0 wallets, last checkpoint none"


async def violations(house: House) -> set[tuple[str, str]]:
    report = await house.report(asking_stripe=True)
    assert report.unchecked == []
    return {(found.invariant, found.subject) for found in report.violations}


async def post(
    house: House, ref: str, *moves: tuple[Account, Account, int], kind: PlatformKind | Kind
) -> None:
    entry = NewEntry(ref, kind, "USD", [Posting(*move) for move in moves], "op", "worker")

    async def work(tx: Tx) -> None:
        await ledger.post(tx, entry)

    await house.runtime.database.transact(work)


# ------------------------------------------------------------------ the story


async def test_the_books_say_what_stripe_holds_at_every_moment(house: House) -> None:
    async def is_sound() -> None:
        assert await violations(house) == set()

    await is_sound()  # the float, not read yet
    await house.chore("treasury")
    await is_sound()

    ada = await house.customer()
    for card in ("pm_card_visa", "pm_card_bypassPending"):
        for currency in ("USD", "EUR"):
            deposit = (await ada.create_deposit(40_00, currency=currency))["deposit"]
            await is_sound()
            await house.pay(deposit, card)
            await house.settled(ada, deposit)
            await is_sound()  # credited, and not in Stripe's balance yet

    await cards_settle(house)
    await is_sound()  # there, and not read yet
    await house.chore("treasury")
    await is_sound()

    balance = await house.runtime.gateway.balance()
    assert balance.pending == {"USD": 40_00 - 1_46, "EUR": 40_00 - 1_46}
    await house.stripe.control("/clock", {"advance_seconds": 3 * DAY_S})
    assert (await house.runtime.gateway.balance()).pending == {"USD": 0, "EUR": 0}
    await is_sound()  # what was pending is available

    await plant(house, "payout", -1_000_00, fee=25)
    await house.stripe.control("/float", {"currency": "eur", "amount": 0})
    await is_sound()
    await house.chore("treasury")
    await is_sound()
    books = await platform(house)
    assert -books["stripe"] == (await house.runtime.gateway.balance()).total["USD"]
    assert await platform(house, "EUR") == {
        "bank": -77_08,
        "stripe_fees": -2_92,
    }


async def test_running_traffic_is_never_taken_for_a_violation(house: House) -> None:
    busy = True
    ada = await house.customer()

    async def trade() -> None:
        while busy:
            deposit = await ada.deposits(usd=25_00)
            await house.pay(deposit, "pm_card_bypassPending")

    async def time_passes() -> None:
        while busy:
            await cards_settle(house)
            await plant(house, "fee", -1)
            await treasury.read_balance_transactions(house.runtime)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trade())
        tasks.create_task(time_passes())
        reports = [await house.report(asking_stripe=True) for _ in range(6)]
        busy = False
    assert [report.violations for report in reports] == [[]] * len(reports)
    # It may be that Stripe did not stand still for long enough, but not every time.
    assert not all(report.unchecked for report in reports)
    assert await house.count("movements") > 6
    await house.quiet()
    assert await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ planted violations


Crime = Callable[[House], Awaitable[object]]


async def movement_of(house: House, kind: str) -> Row:
    row: Row = await house.collection("movements").find_one({"type": kind})
    return row


async def book_a_movement_twice(house: House) -> None:
    movement = await movement_of(house, "topup")
    ref = f"stripe:{movement['_id']}:again"
    await post(house, ref, (STRIPE, BANK, movement["amount"]), kind=PlatformKind.BANK)


async def post_what_never_happened(house: House) -> None:
    await post(house, "stripe:txn_none:amount", (STRIPE, UNEXPLAINED, 1), kind=PlatformKind.UNEXPLAINED)


async def mark_what_was_not_booked(house: House) -> None:
    await plant(house, "topup", 7_00)
    unread = (await at_stripe(house))[-1]
    topup = await movement_of(house, "topup")
    mark = {"_id": unread["id"], "amount": unread["amount"], "operation": unread["id"]}
    await house.collection("movements").insert_one(topup | mark)


async def forget_the_entry(house: House, kind: str, step: str) -> None:
    movement = await movement_of(house, kind)
    gone = await house.collection("entries").delete_one({"ref": f"stripe:{movement['_id']}:{step}"})
    assert gone.deleted_count == 1


async def change_the_mark(house: House, kind: str, **fields: Any) -> None:
    movement = await movement_of(house, kind)
    await house.collection("movements").update_one({"_id": movement["_id"]}, {"$set": fields})


async def forget_the_mark(house: House) -> None:
    """It is read again, then: the same entries, and sound. Before that, not."""
    movement = await movement_of(house, "topup")
    await house.collection("movements").delete_one({"_id": movement["_id"]})


async def lose_at_stripe(house: House) -> None:
    def lose(tx: Any) -> None:
        tx.store.write("DELETE FROM objects WHERE object = 'balance_transaction' AND body LIKE '%payout%'")

    await house.sandbox.change(lose)


CRIMES: list[Any] = [
    pytest.param({HOLDS, AGREES}, book_a_movement_twice, id="a movement is booked twice"),
    pytest.param({HOLDS, AGREES}, post_what_never_happened, id="what never happened is booked"),
    pytest.param({HOLDS, AGREES}, mark_what_was_not_booked, id="marked as read, and not booked"),
    pytest.param({HOLDS, AGREES}, lambda h: forget_the_entry(h, "topup", "amount"), id="a lost entry"),
    pytest.param({HOLDS, AGREES}, lambda h: forget_the_entry(h, "charge", "fee"), id="a lost fee"),
    pytest.param({HOLDS, AGREES}, forget_the_mark, id="a lost mark"),
    pytest.param({HOLDS}, lose_at_stripe, id="what Stripe does not know"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", amount=-1), id="another amount"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", fee=1), id="another fee"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", outcome="UNEXPLAINED"), id="outcome"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", account=None), id="no account"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", operation="x"), id="another operation"),
    pytest.param({AGREES}, lambda h: change_the_mark(h, "payout", outcome="NONE"), id="no mark at all"),
    # A credit that no movement has is one that Stripe's balance is still to show: it is counted twice.
    pytest.param({HOLDS, AGREES}, lambda h: change_the_mark(h, "charge", entry="x"), id="another entry"),
]


@pytest.mark.parametrize(("broken", "crime"), CRIMES)
async def test_what_was_tampered_with_is_found(house: House, broken: set[str], crime: Crime) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await plant(house, "payout", -500_00, fee=25, kind="payout")
    await cards_settle(house)
    await house.chore("treasury")
    assert await violations(house) == set()

    await crime(house)

    found = {invariant for invariant, _ in await violations(house)}
    assert found & {HOLDS, AGREES} == broken


async def test_money_that_was_credited_and_never_came_is_found_a_day_later(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await house.sandbox.change(lambda tx: tx.store.write("DELETE FROM timers"))
    await house.chore("treasury")
    assert await violations(house) == set()

    house.clock.advance(hours=25)
    overdue = ("8 what is booked reaches Stripe's balance", f"deposit:{deposit['id']}:succeeded")
    # Also where nothing else moves: Stripe is asked, and has nothing that was not read.
    assert await violations(house) == {overdue, (HOLDS, "USD")}

    await plant(house, "topup", 1_00)
    assert await violations(house) == set()  # nothing was read since: it may be among what is unread
    await house.chore("treasury")
    assert await violations(house) == {overdue, (HOLDS, "USD")}


# ------------------------------------------------------------------ when Stripe does not answer


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/balance_transactions"])
@pytest.mark.parametrize("fault", ["error_500_before_commit", "reset_before_commit", "error_401"])
async def test_what_could_not_be_checked_is_no_violation_and_is_said(
    house: House, path: str, fault: str
) -> None:
    edith = await house.admin()
    await house.stripe.fault("GET", path, fault, times=6)
    query = "{ ledgerReport { ok unchecked violations { subject } } }"

    report = (await edith.data(query))["ledgerReport"]

    [reason] = report.pop("unchecked")
    assert reason.startswith(f"{HOLDS}: Stripe could not be asked (")
    assert report == {"ok": True, "violations": []}
    await house.stripe.control("/faults", method="DELETE")
    assert (await edith.data(query))["ledgerReport"] == {"ok": True, "unchecked": [], "violations": []}


async def verify(house: House, folder: Path) -> tuple[int, str]:
    """`jobsphere ledger verify` as a process of its own: its status, and what it says."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("jobsphere"),
        *("ledger", "verify"),
        cwd=folder,
        env={**os.environ, **house.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_the_command_says_what_stripe_holds(house: House, tmp_path: Path) -> None:
    await house.chore("treasury")
    assert await verify(house, tmp_path) == (0, f"{COUNTED}: sound\n")

    await house.stripe.fault("GET", "/v1/balance", "error_503", times=3)
    status, said = await verify(house, tmp_path)
    assert (status, said.splitlines()[1:]) == (0, [f"{COUNTED}: sound"])
    assert said.startswith(f"not checked: {HOLDS}: Stripe could not be asked (")

    await post_what_never_happened(house)
    status, said = await verify(house, tmp_path)
    assert status == 1
    assert f"{HOLDS}: USD: expected {OPENING_FLOAT}, is {OPENING_FLOAT + 1}" in said.splitlines()
