"""Transactions when answers are lost, races are lost, and callers give up: real faults of a real mongod."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from domain import ledger
from domain.kernel import database
from domain.kernel.clock import utc_now
from domain.kernel.database import CommitUnknown, Database, Row, Tx
from domain.kernel.ids import made_at
from domain.ledger import Account, AlreadyPosted, Kind, NewEntry, Platform, Posted, Posting, Wallet
from tests.house import House

WRITE_CONCERN_TIMEOUT = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"}
NO_SUCH_TRANSACTION = {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}
WRITE_CONFLICT = {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}


class Mongod:
    """A hand on mongod's controls, over a connection of its own."""

    def __init__(self, client: AsyncMongoClient[Row]) -> None:
        self._admin = client.admin

    @asynccontextmanager
    async def failing(
        self, command: str, fault: dict[str, Any], *, times: int | None = None
    ) -> AsyncIterator[None]:
        """`command` is answered with `fault`, `times` times or (None) until the block is left."""
        mode = "alwaysOn" if times is None else {"times": times}
        data = {"failCommands": [command], **fault}
        await self._admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
        try:
            yield
        finally:
            await self._admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    async def kill(self, sessions: list[Any]) -> None:
        """Abort what these sessions have open, as mongod itself does after a minute."""
        await self._admin.command("killSessions", sessions)

    async def open_transactions(self) -> int:
        status = await self._admin.command("serverStatus")
        return int(status["transactions"]["currentOpen"])


@pytest.fixture
async def mongod(house: House) -> AsyncIterator[Mongod]:
    """Nobody but the test asks anything of it: the worker rests."""
    await house.stop_worker()
    async with AsyncMongoClient[Row](house.parts.mongod.url) as client:
        yield Mongod(client)
    await house.start_worker()


@pytest.fixture
async def wallet(house: House) -> Wallet:
    return await ledger.open_wallet("usr_ada", "USD")


class Credit:
    """A credit of 25.00 to a wallet. Counts how often it was run, and how often it was told of a commit."""

    def __init__(self, house: House, wallet: Wallet, ref: str = "step") -> None:
        self._database = house.runtime.database
        self._wallet = wallet
        self._ref = ref
        self.counts: Counter[str] = Counter()
        self.sessions: list[Any] = []
        self.worked = asyncio.Event()

    async def __call__(self, tx: Tx) -> Posted | AlreadyPosted:
        self.counts["runs"] += 1
        self.sessions.append(tx.session.session_id)
        move = Posting(Account.platform(Platform.STRIPE), Account.available(self._wallet.id), 25_00)
        step = NewEntry(
            ref=self._ref,
            kind=Kind.ADJUSTMENT,
            currency="USD",
            postings=[move],
            operation="adj_of_a_test",
            actor="admin",
        )
        tx.after_commit.append(lambda: self.counts.update(["effects"]))
        posted = await ledger.post(tx, step)
        self.worked.set()
        return posted

    async def post(self) -> Posted | AlreadyPosted:
        return await self._database.transact(self)

    @property
    def runs(self) -> int:
        return self.counts["runs"]

    @property
    def effects(self) -> int:
        return self.counts["effects"]


async def is_written_once(house: House, wallet: Wallet) -> bool:
    return await written(house, wallet) == (1, 1, 25_00)


async def is_not_written(house: House, wallet: Wallet) -> bool:
    return await written(house, wallet) == (0, 0, 0)


async def written(house: House, wallet: Wallet) -> tuple[int, int, int]:
    present = await ledger.wallet(wallet.id)
    assert present is not None
    return await house.count("entries"), await house.count("statement_lines"), present.available


# A commit whose answer is lost.


@pytest.mark.parametrize("times", [1, 3])
async def test_a_commit_that_nobody_confirmed_is_asked_again_and_its_work_never_run_again(
    house: House, mongod: Mongod, wallet: Wallet, times: int
) -> None:
    credit = Credit(house, wallet)
    # mongod does commit, and says that it does not know whether a majority has it.
    async with mongod.failing("commitTransaction", {"writeConcernError": WRITE_CONCERN_TIMEOUT}, times=times):
        assert isinstance(await credit.post(), Posted)
    assert (credit.runs, credit.effects) == (1, 1)
    assert await is_written_once(house, wallet)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_commit_whose_connection_breaks_is_asked_again_and_its_work_never_run_again(
    house: House, mongod: Mongod, wallet: Wallet, times: int
) -> None:
    credit = Credit(house, wallet)
    async with mongod.failing("commitTransaction", {"closeConnection": True}, times=times):
        assert isinstance(await credit.post(), Posted)
    assert (credit.runs, credit.effects) == (1, 1)
    assert await is_written_once(house, wallet)


async def test_a_commit_that_stays_unknown_is_said_to_be_and_found_by_its_ref(
    house: House, mongod: Mongod, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRANSACTION_S_MAX", 0.6)
    credit = Credit(house, wallet)
    async with mongod.failing("commitTransaction", {"writeConcernError": WRITE_CONCERN_TIMEOUT}):
        with pytest.raises(CommitUnknown):
            await credit.post()
    assert (credit.runs, credit.effects) == (1, 0)
    assert await credit.post() == AlreadyPosted("step")
    assert await is_written_once(house, wallet)


async def test_after_a_lost_answer_not_even_a_transaction_that_is_gone_is_run_again(
    house: House, mongod: Mongod, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BACKOFF_S_MAX", 0.5)
    credit = Credit(house, wallet)
    # The driver asks twice by itself; then the transaction is aborted, and the third answer looks transient.
    async with mongod.failing("commitTransaction", {"closeConnection": True}, times=2):
        posting = asyncio.create_task(credit.post())
        await credit.worked.wait()
        await asyncio.sleep(0.2)
        await mongod.kill(credit.sessions)
        with pytest.raises(CommitUnknown):
            await posting
    assert (credit.runs, credit.effects) == (1, 0)
    assert await is_not_written(house, wallet)


async def test_a_commit_whose_answer_is_cut_off_on_its_way_is_not_run_again(house: House) -> None:
    counters = house.collection("counters")
    await counters.insert_one({"_id": "n", "value": 0})
    runs = 0

    async with cut_off_after(b"commitTransaction", house, times=3) as far:

        async def work(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            await far.mongo["counters"].update_one({"_id": "n"}, {"$inc": {"value": 1}}, session=tx.session)

        await far.transact(work)
    assert runs == 1
    assert await counters.find_one({"_id": "n"}) == {"_id": "n", "value": 1}


# Races and refusals.


@pytest.mark.parametrize("command", ["find", "update", "insert"])
@pytest.mark.parametrize("fault", [WRITE_CONFLICT, NO_SUCH_TRANSACTION, {"closeConnection": True}], ids=str)
async def test_a_lost_race_and_a_lost_connection_run_the_work_again(
    house: House, mongod: Mongod, wallet: Wallet, command: str, fault: dict[str, Any]
) -> None:
    credit = Credit(house, wallet)
    async with mongod.failing(command, fault, times=2):
        assert isinstance(await credit.post(), Posted)
    assert (credit.runs, credit.effects) == (3, 1)
    assert await is_written_once(house, wallet)


async def test_a_commit_that_is_cleanly_refused_runs_the_work_again(
    house: House, mongod: Mongod, wallet: Wallet
) -> None:
    credit = Credit(house, wallet)
    async with mongod.failing("commitTransaction", NO_SUCH_TRANSACTION, times=2):
        assert isinstance(await credit.post(), Posted)
    assert (credit.runs, credit.effects) == (3, 1)
    assert await is_written_once(house, wallet)


async def test_a_race_that_is_always_lost_ends_at_the_bound(
    house: House, mongod: Mongod, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRANSACTION_S_MAX", 0.3)
    credit = Credit(house, wallet)
    async with mongod.failing("insert", WRITE_CONFLICT):
        with pytest.raises(PyMongoError) as lost:
            await credit.post()
    assert lost.value.has_error_label("TransientTransactionError")
    assert credit.runs > 1
    assert credit.effects == 0
    assert await is_not_written(house, wallet)


async def test_a_process_that_was_paused_starts_over_and_dates_what_it_writes_anew(
    house: House, wallet: Wallet
) -> None:
    credit = Credit(house, wallet)
    started: list[datetime] = []

    async def work(tx: Tx) -> None:
        started.append(tx.now)
        await credit(tx)
        if len(started) == 1:
            house.clock.advance(seconds=61)

    await house.runtime.database.transact(work)
    entry = await house.collection("entries").find_one({"ref": "step"})
    assert len(started) == 2
    assert entry["created_at"] == made_at("ent", entry["_id"]) == started[1]
    assert started[1] - started[0] > timedelta(seconds=60)
    assert await is_written_once(house, wallet)


@pytest.mark.parametrize("command", ["find", "insert", "commitTransaction"])
async def test_any_other_refusal_is_raised_at_once(
    house: House, mongod: Mongod, wallet: Wallet, command: str
) -> None:
    credit = Credit(house, wallet)
    async with mongod.failing(command, {"errorCode": 2}, times=1):
        with pytest.raises(OperationFailure):
            await credit.post()
    assert (credit.runs, credit.effects) == (1, 0)
    assert await is_not_written(house, wallet)
    await mongod.kill(credit.sessions)  # a fault at the commit is answered before mongod has heard of it


# Callers that give up.


async def test_a_call_that_is_cancelled_midway_leaves_nothing_and_blocks_nobody(
    house: House, mongod: Mongod, wallet: Wallet
) -> None:
    abandoned = Credit(house, wallet, ref="abandoned")

    async def work(tx: Tx) -> None:
        await abandoned(tx)
        await asyncio.Event().wait()

    call = asyncio.create_task(house.runtime.database.transact(work))
    await abandoned.worked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await is_not_written(house, wallet)
    assert await mongod.open_transactions() == 0
    credit = Credit(house, wallet)
    await credit.post()
    assert credit.runs == 1
    assert await is_written_once(house, wallet)


async def test_a_call_that_fails_midway_leaves_nothing_and_blocks_nobody(
    house: House, mongod: Mongod, wallet: Wallet
) -> None:
    credit = Credit(house, wallet)

    async def work(tx: Tx) -> None:
        await credit(tx)
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        await house.runtime.database.transact(work)
    assert (credit.runs, credit.effects) == (1, 0)
    assert await is_not_written(house, wallet)
    assert await mongod.open_transactions() == 0


# A wire that breaks.


@asynccontextmanager
async def cut_off_after(command: bytes, house: House, *, times: int) -> AsyncIterator[Database]:
    """The house's database over a wire that breaks when mongod answers `command`, `times` times."""
    left = times

    async def carry(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, see: Callable[[bytes], bool]
    ) -> None:
        with suppress(ConnectionError):
            while (chunk := await source.read(65536)) and not see(chunk):
                target.write(chunk)
                await target.drain()
        target.close()

    async def connect(client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        asked = False

        def ask(chunk: bytes) -> bool:
            nonlocal asked
            asked = asked or command in chunk
            return False

        def answer(_chunk: bytes) -> bool:
            nonlocal left
            cut = asked and left > 0
            left -= cut
            return cut

        reader, writer = await asyncio.open_connection("127.0.0.1", house.parts.mongod.port)
        await asyncio.gather(carry(client_reader, writer, ask), carry(reader, client_writer, answer))

    wire = await asyncio.start_server(connect, "127.0.0.1", 0)
    port = wire.sockets[0].getsockname()[1]
    client: AsyncMongoClient[Row] = AsyncMongoClient(f"mongodb://127.0.0.1:{port}/?directConnection=true")
    try:
        yield Database(client, house.settings.mongodb_database, utc_now)
    finally:
        await client.close()
        wire.close()
        await wire.wait_closed()
    assert left == 0, "the wire never broke"
