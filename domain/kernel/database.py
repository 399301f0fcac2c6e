"""MongoDB as the product uses it: one client per process, and `transact`, the only door to a transaction."""

import asyncio
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from beanie import Document, init_beanie
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from domain.kernel.clock import Clock, cut, utc_now

TRANSACTION_S_MAX: Final = 60.0
BACKOFF_S_FIRST: Final = 0.002
BACKOFF_S_MAX: Final = 0.25

Result = TypeVar("Result")
Row = dict[str, Any]
Model = TypeVar("Model", bound=Document)


def parse(model: type[Model], row: Row) -> Model:
    """A stored row as the document that it is."""
    document: Model = model.model_validate(row)
    return document


async def batched(rows: AsyncIterable[Row], size: int = 500) -> AsyncIterator[list[Row]]:
    """`rows`, `size` at a time, so that what belongs to them is looked up by one query for all."""
    batch: list[Row] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class CommitUnknown(Exception):
    """Nobody knows whether the transaction committed: read what became of it by its key or ref."""


@dataclass(frozen=True)
class Tx:
    """One run of one transaction. `now` is the same instant for everything that it writes.

    What must happen outside the database, once, when all of it is committed, goes into `after_commit`.
    """

    session: AsyncClientSession
    now: datetime
    after_commit: list[Callable[[], None]] = field(default_factory=list)


Work = Callable[[Tx], Awaitable[Result]]


class Database:
    """A replica set's database. Open it with `Database.open`, close it with `close`."""

    def __init__(self, client: AsyncMongoClient[Row], name: str, now: Clock) -> None:
        self.client = client
        self.mongo: AsyncDatabase[Row] = client.get_database(
            name,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
            read_preference=ReadPreference.PRIMARY,
        )
        self._now = now

    @classmethod
    async def open(
        cls,
        url: str,
        name: str,
        documents: Sequence[type[Document]],
        *,
        now: Clock = utc_now,
        create_indexes: bool = False,
    ) -> "Database":
        """Connect and bind `documents`. Raises ConfigurationError when `url` is not a replica set.

        Beanie binds a document's class, not its instances: a process has one database open at a time.
        """
        client: AsyncMongoClient[Row] = AsyncMongoClient(
            url, tz_aware=True, minPoolSize=4, serverSelectionTimeoutMS=10_000, appname="jobsphere"
        )
        hello = await client.admin.command("hello")
        if "setName" not in hello:
            await client.close()
            raise ConfigurationError(
                "MongoDB must be a replica set (one node will do): transactions and change streams need it. "
                "Start mongod with --replSet and run rs.initiate()."
            )
        database = cls(client, name, now)
        await init_beanie(
            database=database.mongo,
            document_models=list(documents),
            skip_indexes=not create_indexes,
        )
        return database

    async def catch_up(self) -> None:
        """Wait until all that is committed by now can be read, for nodes that lag hold back the majority."""
        linearizable = self.mongo.get_collection("chores", read_concern=ReadConcern("linearizable"))
        await linearizable.find_one({"_id": "none"}, max_time_ms=10_000)

    async def close(self) -> None:
        await self.client.close()

    async def transact(self, work: Work[Result]) -> Result:
        """Run `work` in one transaction and answer what it answers.

        `work` may run several times: it has no effect but the database's, and Stripe is never called inside.
        A race (TransientTransactionError) runs it again, at most for TRANSACTION_S_MAX, and so does a pause
        of the process that is longer than that. A commit whose answer was lost is committed again, never run
        again, for that would post twice; past the bound CommitUnknown.
        """
        deadline = time.monotonic() + TRANSACTION_S_MAX
        backoff_s = BACKOFF_S_FIRST
        while True:
            try:
                return await self._attempt(work, deadline)
            except PyMongoError as error:
                if not error.has_error_label("TransientTransactionError") or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(random.uniform(0, backoff_s))  # noqa: S311 - jitter, not a secret
            backoff_s = min(backoff_s * 2, BACKOFF_S_MAX)

    async def _attempt(self, work: Work[Result], deadline: float) -> Result:
        # Leaving the block without a commit aborts, whatever ended the work: an error or a cancellation.
        async with (
            self.client.start_session() as session,
            await session.start_transaction(
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern("majority", j=True),
                read_preference=ReadPreference.PRIMARY,
                max_commit_time_ms=10_000,
            ),
        ):
            tx = Tx(session, cut(self._now()))
            result = await work(tx)
            # What it writes is dated `tx.now`, and nobody expects anything so old to appear any more.
            if self._now() - tx.now > timedelta(seconds=TRANSACTION_S_MAX):
                raise PyMongoError("the process was paused", ["TransientTransactionError"])
            await _commit(session, deadline)
        for effect in tx.after_commit:
            effect()
        return result


async def _commit(session: AsyncClientSession, deadline: float) -> None:
    """Commit, and again while the answer is lost. Only a first, clean refusal may be called transient."""
    unknown = False
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not unknown and not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            unknown = True
            if time.monotonic() > deadline or not error.has_error_label("UnknownTransactionCommitResult"):
                raise CommitUnknown("the transaction's commit was never answered") from error
            await asyncio.sleep(BACKOFF_S_MAX)
        else:
            return
