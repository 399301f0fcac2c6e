"""One change stream per process, fanned out to flags.

A watcher is told only *that* its topic changed, and reads the present state itself. So nothing is buffered:
a thousand changes while a watcher is busy are one flag, intermediate states are merged and the last is never
missed. Register the watch first, then read the state, then wait. Those whom a change wakes together may read
together: `read_once`.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from prometheus_client import Gauge
from pymongo.errors import OperationFailure, PyMongoError

from domain.kernel.alerts import alert
from domain.kernel.database import Database

REOPEN_S: Final = 0.2
_WATCHERS = Gauge("jobsphere_watchers", "Subscriptions that are open.", multiprocess_mode="livesum")
_log = structlog.get_logger("changes")

State = TypeVar("State")


class Topic(NamedTuple):
    """A document of `collection`, or, with the field "owner", every document of one owner."""

    collection: str
    value: str
    field: str = "_id"


class Watch:
    """A registered interest. Iterating yields at every change, those meanwhile merged into one."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[None]:
        while True:
            await self._changed.wait()
            # Cleared before the caller reads: what changes during its read wakes it again.
            self._changed.clear()
            yield


class Changes:
    """The process's broker. Run `run` as a task for as long as the process serves."""

    def __init__(self, database: Database, collections: Iterable[str]) -> None:
        self._database = database
        self._collections = sorted(collections)
        self._watches: defaultdict[Topic, set[Watch]] = defaultdict(set)
        self._reads: dict[Topic, asyncio.Task[Any]] = {}
        self._resume: Mapping[str, Any] | None = None
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def watch(self, *topics: Topic) -> Iterator[Watch]:
        """Interest in `topics` until the block is left."""
        watch = Watch()
        for topic in topics:
            self._watches[topic].add(watch)
        _WATCHERS.inc()
        try:
            yield watch
        finally:
            _WATCHERS.dec()
            for topic in topics:
                self._watches[topic].discard(watch)
                if not self._watches[topic]:
                    del self._watches[topic]

    async def read_once(self, topic: Topic, read: Callable[[], Awaitable[State]]) -> State:
        """What `read` answers about the topic's document, read once for all who ask in one turn of the loop.

        A change wakes its watchers in one turn, be they a thousand. The read begins when that turn is over,
        so it sees the change that each of them was told of. `topic` alone says what is read.
        """
        if topic not in self._reads:

            async def begin() -> State:
                # Whoever asks from here on may know of a later change.
                del self._reads[topic]
                return await read()

            self._reads[topic] = asyncio.create_task(begin())
        # Shielded: others wait for the same, and one that gives up must not take it from them.
        state: State = await asyncio.shield(self._reads[topic])
        return state

    async def run(self) -> None:
        """Follow the stream for ever, through failovers; where its history is lost, wake everybody."""
        while True:
            try:
                await self._follow()
            except PyMongoError as error:
                # A server's refusal to resume means that the history is gone; a lost connection does not.
                if isinstance(error, OperationFailure):
                    self._resume = None
                alert("CHANGE_STREAM_BROKEN", error=type(error).__name__)
            await asyncio.sleep(REOPEN_S)

    async def _follow(self) -> None:
        stream = await self._database.mongo.watch(
            [
                {"$match": {"ns.coll": {"$in": self._collections}}},
                {"$project": {"ns.coll": 1, "documentKey": 1, "fullDocument.owner": 1}},
            ],
            full_document="updateLookup",
            resume_after=self._resume,
            max_await_time_ms=1000,
        )
        async with stream:
            _log.info("change stream open", resumed=self._resume is not None)
            if self._resume is None:
                self._notify_all()
            self._resume = stream.resume_token
            self.ready.set()
            async for change in stream:
                self._publish(change)
                self._resume = stream.resume_token

    def _publish(self, change: Mapping[str, Any]) -> None:
        collection = change["ns"]["coll"]
        topics = [Topic(collection, change["documentKey"]["_id"])]
        owner = (change.get("fullDocument") or {}).get("owner")
        if owner is not None:
            topics.append(Topic(collection, owner, "owner"))
        for topic in topics:
            for watch in self._watches.get(topic, ()):
                watch.notify()

    def _notify_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.notify()
