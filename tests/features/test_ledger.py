"""The ledger on a real mongod: one door for money, statements by the page, and processes that die."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, count
from types import coroutine
from typing import Any

import pytest
from ulid import ULID

from domain import ledger
from domain.kernel.database import Row, Tx
from domain.kernel.errors import BadRequest, InsufficientFunds
from domain.kernel.ids import new_id
from domain.kernel.money import MINOR_UNITS_MAX, Money
from domain.kernel.pages import Page, PageRequest
from domain.ledger import (
    Account,
    AlreadyPosted,
    Entry,
    Kind,
    LedgerBug,
    NewEntry,
    Platform,
    Posted,
    Posting,
    Wallet,
    WalletState,
)
from tests.house import House

STRIPE = Account.platform(Platform.STRIPE)
BANK = Account.platform(Platform.BANK)


def new_entry(
    *moves: tuple[Account, Account, int],
    ref: str | None = None,
    kind: Kind = Kind.ADJUSTMENT,
    currency: str = "USD",
) -> NewEntry:
    return NewEntry(
        ref=ref or f"test:{ULID()}",
        kind=kind,
        currency=currency,
        postings=[Posting(*move) for move in moves],
        operation="adj_of_a_test",
        actor="admin",
    )


def credit(wallet: Wallet, amount: int, **more: Any) -> NewEntry:
    return new_entry((STRIPE, Account.available(wallet.id), amount), **more)


def hold(wallet: Wallet, amount: int) -> NewEntry:
    move = (Account.available(wallet.id), Account.held(wallet.id), amount)
    return new_entry(move, kind=Kind.WITHDRAWAL_REQUESTED)


async def post(house: House, *entries: NewEntry) -> Posted | AlreadyPosted:
    """All of `entries` in one transaction; what became of the last."""

    async def work(tx: Tx) -> Posted | AlreadyPosted:
        return [await ledger.post(tx, entry) for entry in entries][-1]

    return await house.runtime.database.transact(work)


async def present(wallet: Wallet) -> Wallet:
    found = await ledger.wallet(wallet.id)
    assert found is not None
    return found


async def written(house: House) -> dict[str, int]:
    """How many entries and lines there are, and what all wallets hold."""
    wallets = await house.collection("wallets").find({}).to_list()
    return {
        "entries": await house.count("entries"),
        "lines": await house.count("statement_lines"),
        "money": sum(wallet["available"] + wallet["held"] for wallet in wallets),
    }


NOTHING = {"entries": 0, "lines": 0, "money": 0}


@pytest.fixture
async def wallet(house: House) -> Wallet:
    return await ledger.open_wallet("usr_ada", "USD")


# One door.


async def test_an_entry_its_lines_and_the_balances_are_written_together(house: House, wallet: Wallet) -> None:
    other = await ledger.open_wallet("usr_eve", "USD")
    await post(house, credit(wallet, 25_00))
    posted = await post(
        house, new_entry((Account.available(wallet.id), Account.available(other.id), 10_00), ref="move:1")
    )
    assert isinstance(posted, Posted)
    entry = await house.collection("entries").find_one({"ref": "move:1"})
    assert entry == {**posted.entry.fields(), "hash": posted.entry.hash}
    for owned, seq, delta, after in ((wallet, 2, -10_00, 15_00), (other, 1, 10_00, 10_00)):
        line = await ledger.line(owned.id, seq)
        assert line is not None
        assert (line.available_delta, line.available_after, line.ref) == (delta, after, "move:1")
        assert line.entry_hash == posted.entry.hash
        now = await present(owned)
        assert (now.available, now.seq, now.head, now.last_at) == (after, seq, line.hash, line.created_at)


async def test_nobody_sees_an_entry_before_it_is_committed_or_after_its_caller_failed(
    house: House, wallet: Wallet
) -> None:
    async def work(tx: Tx) -> None:
        await ledger.post(tx, credit(wallet, 25_00))
        assert await written(house) == NOTHING
        raise RuntimeError("the caller fails")

    with pytest.raises(RuntimeError, match="the caller fails"):
        await house.runtime.database.transact(work)
    assert await written(house) == NOTHING


async def test_a_step_that_was_taken_is_not_taken_again_and_its_caller_goes_on(
    house: House, wallet: Wallet
) -> None:
    step = credit(wallet, 25_00, ref="deposit:1:credited")
    await post(house, step)
    before = await present(wallet)

    async def work(tx: Tx) -> Posted | AlreadyPosted:
        posted = await ledger.post(tx, step)
        await house.collection("findings").insert_one({"_id": "of the caller"}, session=tx.session)
        return posted

    assert await house.runtime.database.transact(work) == AlreadyPosted("deposit:1:credited")
    assert await present(wallet) == before
    assert await house.count("findings", _id="of the caller") == 1


@pytest.mark.parametrize("other", ["amount", "account", "currency", "more"])
async def test_a_step_never_means_two_things(house: House, wallet: Wallet, other: str) -> None:
    await post(house, credit(wallet, 25_00, ref="step"))
    claims = {
        "amount": credit(wallet, 25_01, ref="step"),
        "account": new_entry((BANK, Account.available(wallet.id), 25_00), ref="step"),
        "currency": credit(wallet, 25_00, ref="step", currency="EUR"),
        "more": new_entry((STRIPE, Account.available(wallet.id), 25_00), (BANK, STRIPE, 1), ref="step"),
    }
    with pytest.raises(LedgerBug, match="posted before"):
        await post(house, claims[other])
    assert await written(house) == {"entries": 1, "lines": 1, "money": 25_00}


async def test_an_entry_that_moves_nothing_or_touches_nobodys_wallet_is_refused(house: House) -> None:
    nobodys = Account.available(f"wal_{ULID()}")
    with pytest.raises(LedgerBug, match="not there"):
        await post(house, new_entry((STRIPE, nobodys, 1)))
    with pytest.raises(LedgerBug, match="moves nothing"):
        await post(house, new_entry())
    assert await written(house) == NOTHING


async def test_what_lacks_funds_is_refused_and_takes_back_what_was_posted_with_it(
    house: House, wallet: Wallet
) -> None:
    with pytest.raises(InsufficientFunds):
        await post(house, credit(wallet, 25_00), hold(wallet, 25_01))
    assert await written(house) == NOTHING


async def test_a_wallet_may_hold_more_than_32_bits_count(house: House, wallet: Wallet) -> None:
    much = credit(wallet, MINOR_UNITS_MAX - 1)
    await post(house, much)
    assert await post(house, much) == AlreadyPosted(much.ref)
    with pytest.raises(InsufficientFunds) as refused:
        await post(house, hold(wallet, MINOR_UNITS_MAX))
    assert refused.value.available == Money(MINOR_UNITS_MAX - 1, "USD")
    await post(house, credit(wallet, 1))
    assert (await present(wallet)).available == MINOR_UNITS_MAX
    with pytest.raises(LedgerBug):
        await post(house, credit(wallet, 1))
    assert await house.ledger_is_sound()


# Races.


async def test_fifty_racing_posts_on_one_wallet_all_land_one_after_another(
    house: House, wallet: Wallet
) -> None:
    runs = 0

    async def credited(amount: int) -> None:
        async def work(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            await ledger.post(tx, credit(wallet, amount))

        await house.runtime.database.transact(work)

    await asyncio.gather(*(credited(amount) for amount in range(1, 51)))
    page = await ledger.statement(wallet.id, PageRequest(size=100))
    assert [line["_id"]["s"] for line in page.items] == list(range(50, 0, -1))
    assert sorted(line["available_delta"] for line in page.items) == list(range(1, 51))
    assert (await present(wallet)).available == sum(range(1, 51))
    assert runs > 50, "nothing raced"
    assert await house.ledger_is_sound()


async def test_of_twenty_racing_posts_of_one_step_one_is_the_first(house: House, wallet: Wallet) -> None:
    answers = await asyncio.gather(*(post(house, credit(wallet, 25_00, ref="once")) for _ in range(20)))
    assert sum(isinstance(answer, Posted) for answer in answers) == 1
    assert answers.count(AlreadyPosted("once")) == 19
    assert (await present(wallet)).available == 25_00


async def test_racing_spenders_never_spend_the_same_money_twice(house: House, wallet: Wallet) -> None:
    await post(house, credit(wallet, 25_00))
    answers = await asyncio.gather(
        *(post(house, hold(wallet, 10_00)) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(answer, Posted) for answer in answers) == 2
    assert sum(isinstance(answer, InsufficientFunds) for answer in answers) == 8
    spent = await present(wallet)
    assert (spent.available, spent.held) == (5_00, 20_00)


async def test_racing_first_uses_make_one_wallet(house: House) -> None:
    opened = await asyncio.gather(*(ledger.open_wallet("usr_ada", "USD") for _ in range(50)))
    assert len({one.id for one in opened}) == 1
    assert await house.count("wallets") == 1


async def test_a_person_has_one_wallet_for_each_currency(house: House) -> None:
    opened = [await ledger.open_wallet("usr_ada", code) for code in ("USD", "EUR", "USD")]
    assert opened[0] == opened[2] != opened[1]
    assert [one.currency for one in await ledger.wallets_of("usr_ada")] == ["EUR", "USD"]


# Statements.

KINDS = [Kind.ADJUSTMENT, Kind.DEPOSIT, Kind.DISPUTE_REINSTATED]
LINES = 250
FIRST_AT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Statement:
    """A wallet with LINES lines of three kinds, ten of each instant; `rows` newest first."""

    wallet: Wallet
    rows: list[Row]

    def seqs(
        self,
        *,
        kinds: Sequence[Kind] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[int]:
        """What a filter should let through, found by looking at every row."""
        return [
            row["_id"]["s"]
            for row in self.rows
            if (kinds is None or Kind(row["kind"]) in kinds)
            and (created_after is None or row["created_at"] > created_after)
            and (created_before is None or row["created_at"] < created_before)
        ]

    async def page(self, request: PageRequest, **criteria: Any) -> Page[Row]:
        return await ledger.statement(self.wallet.id, request, **criteria)

    async def forward(self, size: int, **criteria: Any) -> AsyncIterator[list[int]]:
        """Page by page from the newest line, as a reader who goes on as long as there is a next page."""
        after = None
        while True:
            page = await self.page(PageRequest(size=size, after=after), **criteria)
            assert page.has_previous_page == (after is not None)
            yield seqs_of(page)
            if not page.has_next_page:
                return
            after = str(seqs_of(page)[-1])

    async def backward(self, size: int, **criteria: Any) -> AsyncIterator[list[int]]:
        """Page by page from the oldest line; each page is newest first."""
        before = None
        while True:
            page = await self.page(PageRequest(size=size, before=before, backward=True), **criteria)
            assert page.has_next_page == (before is not None)
            yield seqs_of(page)
            if not page.has_previous_page:
                return
            before = str(seqs_of(page)[0])


def seqs_of(page: Page[Row]) -> list[int]:
    return [row["_id"]["s"] for row in page.items]


def flat(pages: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(pages))


@pytest.fixture
async def statement(house: House, wallet: Wallet) -> Statement:
    """Written as `post` would have written it, but for the transactions."""
    state = WalletState(id=wallet.id, currency=wallet.currency)
    entries, lines = [], []
    for number in range(LINES):
        created_at = FIRST_AT + timedelta(seconds=number // 10)
        entry = Entry(
            id=new_id("ent", at=created_at),
            ref=f"step:{number}",
            kind=KINDS[number % 3],
            currency="USD",
            postings=(Posting(STRIPE, Account.available(wallet.id), 1 + number),),
            operation="adj_of_a_test",
            actor="admin",
            created_at=created_at,
        ).sealed()
        state, line = ledger.apply(state, entry)
        entries.append({**entry.fields(), "hash": entry.hash})
        lines.append({**line.fields(), "hash": line.hash})
    await house.collection("entries").insert_many(entries)
    await house.collection("statement_lines").insert_many(lines)
    balance = {name: getattr(state, name) for name in ("available", "seq", "head", "last_at")}
    await house.collection("wallets").update_one({"_id": wallet.id}, {"$set": balance})
    await house.chore("checkpoint")
    assert await house.ledger_is_sound()
    await post(house, credit(await ledger.open_wallet("usr_eve", "USD"), 1))
    return Statement(wallet, lines[::-1])


async def test_pages_show_every_line_once_in_either_direction(statement: Statement) -> None:
    for size in (7, 50, 100):
        forward = [page async for page in statement.forward(size)]
        backward = [page async for page in statement.backward(size)]
        assert flat(forward) == statement.seqs() == list(range(LINES, 0, -1))
        assert flat(backward[::-1]) == statement.seqs()
        for pages in (forward, backward):
            assert {len(page) for page in pages[:-1]} == {size}
            assert pages[-1] != []


async def test_a_page_lies_between_its_cursors(statement: Statement) -> None:
    between = await statement.page(PageRequest(size=100, after="20", before="10"))
    assert seqs_of(between) == list(range(19, 10, -1))
    oldest = await statement.page(PageRequest(size=3, after="20", before="10", backward=True))
    assert seqs_of(oldest) == [13, 12, 11]
    assert seqs_of(await statement.page(PageRequest(size=3, after="1"))) == []
    assert seqs_of(await statement.page(PageRequest(size=0))) == []


async def test_lines_that_come_meanwhile_neither_repeat_nor_hide_a_line(
    house: House, statement: Statement
) -> None:
    forward: list[int] = []
    async for page in statement.forward(90):
        forward += page
        await post(house, *(credit(statement.wallet, 1) for _ in range(3)))
    assert forward == statement.seqs()
    backward: list[int] = []
    async for page in statement.backward(90):
        backward[:0] = page
        await post(house, credit(statement.wallet, 1))
    assert backward == list(range(backward[0], 0, -1))
    assert backward[0] > LINES + 3


async def test_a_filter_by_kind_shows_just_these_kinds(statement: Statement) -> None:
    for kinds in ([], KINDS[:1], KINDS[1:], KINDS, [Kind.ESCROW_FUNDED]):
        forward = [page async for page in statement.forward(40, kinds=kinds)]
        backward = [page async for page in statement.backward(40, kinds=kinds)]
        assert flat(forward) == flat(backward[::-1]) == statement.seqs(kinds=kinds), kinds


async def test_a_filter_by_time_shows_what_looking_at_every_line_shows(statement: Statement) -> None:
    edges = [FIRST_AT + timedelta(seconds=seconds) for seconds in (0, 1, 7, 23, 24)]
    instants = [None, *(edge + timedelta(milliseconds=shift) for edge in edges for shift in (-1, 0, 1))]
    for number, after in enumerate(instants):
        for before in instants[number % 3 :: 3]:
            criteria = {"created_after": after, "created_before": before}
            kinds = None if number % 2 else KINDS[:2]
            page = await statement.page(PageRequest(size=100), kinds=kinds, **criteria)
            assert seqs_of(page) == statement.seqs(kinds=kinds, **criteria)[:100], criteria


async def test_a_page_of_a_filter_by_time_goes_on_where_the_last_one_ended(statement: Statement) -> None:
    within = {
        "created_after": FIRST_AT + timedelta(seconds=2),
        "created_before": FIRST_AT + timedelta(seconds=21),
    }
    for kinds in (None, KINDS[:2]):
        forward = [page async for page in statement.forward(30, kinds=kinds, **within)]
        backward = [page async for page in statement.backward(30, kinds=kinds, **within)]
        assert flat(forward) == flat(backward[::-1]) == statement.seqs(kinds=kinds, **within)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "+1", " 1", "1_0", "1.0", "٣", "9" * 17, "9" * 5000])
async def test_a_cursor_that_no_line_has_is_a_bad_request(wallet: Wallet, cursor: str) -> None:
    for kinds in (None, KINDS):
        with pytest.raises(BadRequest):
            await ledger.statement(wallet.id, PageRequest(after=cursor), kinds=kinds)
        with pytest.raises(BadRequest):
            await ledger.statement(wallet.id, PageRequest(before=cursor, backward=True), kinds=kinds)


async def test_a_wallet_without_lines_has_an_empty_statement(house: House, wallet: Wallet) -> None:
    now = house.runtime.now()
    empty: Page[Row] = Page([], has_next_page=False, has_previous_page=False)
    assert await ledger.statement(wallet.id, PageRequest()) == empty
    assert await ledger.statement(wallet.id, PageRequest(), created_after=now, created_before=now) == empty
    assert await ledger.statement("wal_nobodys", PageRequest(), created_after=now, kinds=KINDS) == empty


# Processes that die.


class Mortal:
    """A coroutine that can be left at any of its awaits, as by a process that is killed there.

    What it sent is under way; nothing of it is cleaned up, no `finally` runs.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    async def live(self, awaits: int) -> bool:
        """Run up to its await number `awaits` and no further; True when it ended before that."""
        return await asyncio.create_task(self._run(partial(self._coroutine.send, None), awaits))

    async def bury(self) -> None:
        """Give back what it took from this process, which lives on."""
        end = partial(self._coroutine.throw, asyncio.CancelledError())
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(self._run(end, 1000))

    async def _run(self, resume: Callable[[], Any], awaits: int) -> bool:
        return await self._steps(resume, awaits)

    @coroutine
    def _steps(self, resume: Callable[[], Any], awaits: int) -> Generator[Any, Any, bool]:
        for number in count(1):
            try:
                waits_for = resume()
            except StopIteration:
                return True
            if number == awaits:
                break
            try:
                yield waits_for
            except BaseException as error:
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, None)
        return False


async def test_a_process_that_dies_at_any_await_has_posted_everything_or_nothing(house: House) -> None:
    outcomes = []
    for awaits in count(1):
        ada, eve = [await ledger.open_wallet(f"usr_{name}_{awaits}", "USD") for name in ("ada", "eve")]
        step = new_entry(
            (STRIPE, Account.available(ada.id), 15_00), (STRIPE, Account.available(eve.id), 10_00)
        )
        sessions: list[Any] = []

        async def work(tx: Tx, step: NewEntry = step, sessions: list[Any] = sessions) -> None:
            sessions.append(tx.session.session_id)
            await ledger.post(tx, step)

        async def outcome(ada: Wallet = ada, eve: Wallet = eve, step: NewEntry = step) -> tuple[int, ...]:
            balances = [(await present(wallet)).available for wallet in (ada, eve)]
            lines = await house.count("statement_lines", ref=step.ref)
            return await house.count("entries", ref=step.ref), lines, *balances

        process = Mortal(house.runtime.database.transact(work))
        if await process.live(awaits):
            break
        await asyncio.sleep(0.02)  # what it sent last still arrives
        await house.runtime.database.client.admin.command("killSessions", sessions)
        outcomes.append(await outcome())
        assert outcomes[-1] in ((0, 0, 0, 0), (1, 2, 15_00, 10_00))
        await process.bury()
        assert await outcome() == outcomes[-1]
        await post(house, step)
        assert await outcome() == (1, 2, 15_00, 10_00)
    assert len(set(outcomes)) == 2, "it never died before the commit, or never after"
    assert await house.ledger_is_sound()
