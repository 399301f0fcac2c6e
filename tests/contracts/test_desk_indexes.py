"""What the desk asks is served by indexes, and costs what it shows: amounts, events, findings, debts."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain import deposits, escrow, inbox, ledger
from domain.deposits import Deposit
from domain.escrow import Escrow
from domain.inbox import Endpoint, EventSearch, EventStatus, Finding, FindingKind, WebhookEvent
from domain.kernel.clock import iso
from domain.kernel.database import Row
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from tests.contracts.test_indexes import (
    ADA,
    PAGE,
    explained,
    old_deposit,
    old_escrow,
    pages,
    profile,
)
from tests.house import House
from tests.house.adjustments import in_debt
from tests.house.refunds import paid

ROWS = 2_000
CURRENCY = "IXSCAN { currency: 1, _id: -1, amount: 1 }"
AMOUNT = "IXSCAN { amount: 1, _id: -1 }"
PRICE = "IXSCAN { price: 1, _id: -1 }"
RECEIVED = "received_at: -1, _id: -1"


def desk_deposit(house: House, number: int) -> Deposit:
    """One in ten in yen; the amounts go round from 1 to 1000, and the thirteenth is a large one."""
    deposit = old_deposit(house, number)
    deposit.currency = "JPY" if number % 10 == 0 else "USD"
    deposit.amount = 1_000_000 if number == 13 else 1 + number * 7 % 1_000
    return deposit


def desk_escrow(house: House, number: int) -> Escrow:
    row = old_escrow(house, number)
    row.price = 1 + number % 1_000
    return row


def desk_event(house: House, number: int) -> WebhookEvent:
    """Two at each instant; in ten of a type one, in a hundred one is dead, in fifty one of an account."""
    dead = number % 100 == 1
    return WebhookEvent(
        id=f"evt_{number * 7919 % ROWS:06}",
        endpoint=Endpoint.PLATFORM,
        type=f"type.{number % 10}",
        account="acct_1" if number % 50 == 2 else None,
        object_id=f"pi_{number % 100}",
        operations=[f"dep_{number % 100}", "rfd_1"] if number % 4 == 0 else [],
        body=b"sealed",
        status=EventStatus.DEAD if dead else EventStatus.PROCESSED,
        received_at=house.clock() - timedelta(seconds=number // 2),
        next_attempt_at=None,
    )


def desk_wallet(house: House, number: int) -> Row:
    """One in ten owes something; two of them the same."""
    owes = number % 10 == 0
    return {
        "_id": f"wal_{number:06}",
        "owner": f"usr_{number:06}",
        "currency": "USD",
        "available": -(number // 20 + 1) if owes else number,
        "held": 0,
        "seq": 0,
        "head": "0" * 64,
        "last_at": None,
        "freezes": [],
        "guard": 0,
        "created_at": house.clock(),
    }


@pytest.fixture
async def desk(house: House) -> AsyncIterator[House]:
    """Nobody but the test asks anything."""
    await house.stop_worker()
    yield house
    await house.sweep_clean()
    await house.start_worker()


# By money.


async def test_a_search_by_money_looks_at_what_is_near(desk: House) -> None:
    await Deposit.insert_many([desk_deposit(desk, number) for number in range(ROWS)])
    searches: list[tuple[Search, set[str], int, int]] = [
        # Another currency than most have: its own rows alone.
        (Search(currency="JPY"), {CURRENCY}, PAGE + 1, PAGE + 1),
        # What is common is met soon, and told from the rest by its key.
        (Search(currency="USD", amount_min=500), {CURRENCY}, 100, PAGE + 1),
        # A narrow range: whichever is less.
        (Search(currency="USD", amount_min=500, amount_max=510), {AMOUNT, CURRENCY}, 100, 100),
        (Search(amount_min=500, amount_max=510), {AMOUNT, "IXSCAN { _id: 1 }"}, 100, 100),
    ]
    for search, plans, keys, documents in searches:
        for request in pages("dep_001900")[:2]:
            async with profile(desk) as profiler:
                page = await deposits.page(request, search)
                (query,) = await profiler.queries("deposits")
            assert len(page.items) == PAGE
            assert query.plan <= plans, (search, request)
            assert query.keys <= keys
            assert query.documents <= documents
    # And the one among thousands, by its amount.
    for search in (
        Search(currency="USD", amount_min=900_000),
        Search(amount_min=900_000),
        Search(currency="USD", amount_min=1_000_000, amount_max=1_000_000),
    ):
        async with profile(desk) as profiler:
            page = await deposits.page(PageRequest(size=PAGE), search)
            (query,) = await profiler.queries("deposits")
        assert [deposit.id for deposit in page.items] == ["dep_000013"]
        assert query.plan == {AMOUNT}
        assert query.keys <= 3
        assert query.documents <= 1


async def test_escrows_are_searched_by_their_price(desk: House) -> None:
    await Escrow.insert_many([desk_escrow(desk, number) for number in range(ROWS)])
    search = Search(currency="USD", amount_min=700, amount_max=700)
    async with profile(desk) as profiler:
        page = await escrow.page(PageRequest(size=PAGE), search)
        (query,) = await profiler.queries("escrows")
    assert {one.price for one in page.items} == {700}
    assert query.plan == {PRICE}
    assert query.documents == len(page.items) == 2


# Events and findings.


async def test_a_page_of_events_is_read_in_order(desk: House) -> None:
    await WebhookEvent.insert_many([desk_event(desk, number) for number in range(ROWS)])
    searches: list[tuple[EventSearch, str]] = [
        (EventSearch(), RECEIVED),
        (EventSearch(statuses=[EventStatus.DEAD, EventStatus.FAILED]), f"status: 1, {RECEIVED}"),
        (EventSearch(types=["type.3", "type.4"]), f"type: 1, {RECEIVED}"),
        (EventSearch(account="acct_1"), f"account: 1, {RECEIVED}"),
        (EventSearch(object_id="pi_7"), f"object_id: 1, {RECEIVED}"),
        (EventSearch(operation="rfd_1"), f"operations: 1, {RECEIVED}"),
    ]
    for search, index in searches:
        middle = inbox.place((await inbox.page(PageRequest(size=PAGE), search)).items[4])
        for request in (
            PageRequest(size=PAGE),
            PageRequest(size=PAGE, after=middle),
            PageRequest(size=PAGE, backward=True),
        ):
            query = await explained(desk, inbox.page(request, search), "webhook_events")
            assert query.plan == {f"IXSCAN {{ {index} }}"}, (search, request)
            # One that shares the cursor's instant is looked at, and not shown.
            assert query.documents <= PAGE + 3
            assert query.keys <= PAGE + 5

    now = desk.clock()
    minute = EventSearch(
        received_after=now - timedelta(minutes=11), received_before=now - timedelta(minutes=10)
    )
    async with profile(desk) as profiler:
        page = await inbox.page(PageRequest(size=100), minute)
        (query,) = await profiler.queries("webhook_events")
    assert len(page.items) == 100
    assert query.documents <= 101


async def test_a_page_of_findings_is_read_in_order(desk: House) -> None:
    kinds = list(FindingKind)
    now = desk.clock()
    rows = [
        Finding(
            id=f"{kinds[number % 4]}:{number}",
            kind=kinds[number % 4],
            object_id=None,
            found_at=now - timedelta(seconds=number),
        )
        for number in range(200)
    ]
    await Finding.insert_many(rows)
    for chosen, plan in (
        (None, "IXSCAN { found_at: -1, _id: -1 }"),
        (kinds[:1], "IXSCAN { kind: 1, found_at: -1, _id: -1 }"),
    ):
        for request in (PageRequest(size=PAGE), PageRequest(size=PAGE, after=inbox.place(rows[100]))):
            query = await explained(desk, inbox.findings(request, kinds=chosen), "findings")
            assert query.plan == {plan}
            assert query.documents <= PAGE + 2


# Debts.


async def test_a_page_of_debts_looks_at_no_wallet_that_owes_nothing(desk: House) -> None:
    await desk.collection("wallets").insert_many([desk_wallet(desk, number) for number in range(ROWS)])
    some = await ledger.debts("USD", PageRequest(size=21))
    middle = ledger.debt_place(some.items[9])
    for request in (
        PageRequest(size=PAGE),
        PageRequest(size=PAGE, after=middle),
        PageRequest(size=PAGE, before=ledger.debt_place(some.items[20]), backward=True),
    ):
        query = await explained(desk, ledger.debts("USD", request), "wallets")
        assert query.plan == {"IXSCAN { currency: 1, available: 1, _id: 1 }"}
        assert query.documents <= PAGE + 3
    assert [wallet.available for wallet in some.items[:4]] == [-100, -100, -99, -99]
    assert ADA not in {wallet.owner for wallet in some.items}


async def test_nothing_that_the_desk_asks_scans_a_collection(house: House) -> None:
    edith, ada = await house.admin(), await house.customer()
    deposit = await paid(house, ada, 25_00)
    await in_debt(house, ada, 30_00)
    await house.caught_up()
    asked = """
        query ($from: DateTime!, $to: DateTime!, $id: ID!) {
          webhookEvents(operationId: $id) { edges { node { operations { id } findings { event { id } } } } }
          findings(kind: [UNEXPLAINED]) { edges { node { amount { amount } operation { id } event { id } } } }
          debts { edges { node { owner { displayName } operation { id } } } }
          businessMetrics(from: $from, to: $to) { deposits { amount } atRisk { negative { amount } } }
        }
    """
    times = {"from": iso(house.clock() - timedelta(days=1)), "to": iso(house.clock() + timedelta(days=1))}
    async with profile(house) as profiler:
        answer = await edith.data(asked, {**times, "id": deposit["id"]})
        queries = await profiler.queries()
    assert answer["businessMetrics"]["deposits"]["amount"] == 25_00
    assert answer["businessMetrics"]["atRisk"]["negative"]["amount"] == 5_00
    collections = {query.row["ns"].partition(".")[2] for query in queries}
    assert {"webhook_events", "findings", "wallets", "entries", "escrows", "withdrawals"} <= collections
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []
