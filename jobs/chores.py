"""Chores: what is done every so often, by one process at a time.

When a chore is due stands in MongoDB: a restart does not repeat it, and a dead worker's is taken over.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from domain import disputes, ledger, treasury
from domain.kernel.alerts import alert
from domain.kernel.due import claim_due
from domain.runtime import Policy, Runtime

COLLECTION: Final = "chores"
RETRY_MAX: Final = timedelta(minutes=5)
# A claim is renewed this many times within one lease: a single late renewal does not lose it.
RENEWALS_PER_LEASE: Final = 3
_log = structlog.get_logger("chores")


@dataclass(frozen=True)
class Chore:
    """`run` may be run twice, also by two processes at once: the claim only makes that rare."""

    name: str
    every: Callable[[Policy], timedelta]
    run: Callable[[Runtime], Awaitable[None]]


CHORES: Final[tuple[Chore, ...]] = (
    Chore("treasury", lambda policy: policy.backfill_interval, treasury.read_balance_transactions),
    Chore("disputes", lambda policy: policy.backfill_interval, disputes.find_new),
    # One a day; looked for more often, so that it comes soon after midnight, whenever the worker began.
    Chore("checkpoint", lambda _policy: timedelta(hours=1), ledger.make_checkpoint),
)


class Chores:
    """Looks every `interval_s` seconds for what is due."""

    def __init__(self, runtime: Runtime, *, interval_s: float, chores: Sequence[Chore] = CHORES) -> None:
        self._runtime = runtime
        self._interval_s = interval_s
        self._chores = chores

    async def run(self) -> None:
        """For ever, until cancelled; a chore that is cut off is due again when its claim ends."""
        async with asyncio.TaskGroup() as loops:
            for chore in self._chores:
                loops.create_task(self._repeat(chore))

    async def _repeat(self, chore: Chore) -> None:
        """By itself: the first reading of a long history at Stripe takes hours, and no other waits for it."""
        while True:
            try:
                await self._turn(chore)
            except Exception:
                _log.exception("chore was not looked at", chore=chore.name)
            await asyncio.sleep(self._interval_s)

    async def once(self) -> None:
        """Every chore that is due now and that nobody else is doing."""
        async with asyncio.TaskGroup() as tasks:
            for chore in self._chores:
                tasks.create_task(self._turn(chore))

    async def _turn(self, chore: Chore) -> None:
        runtime = self._runtime
        started = runtime.now()
        claimed_until = await self._claim(chore)
        if claimed_until is None:
            return
        every = chore.every(runtime.policy)
        async with self._renewing(chore, claimed_until) as claim:
            try:
                await chore.run(runtime)
                due = started + every
            except Exception as error:
                _log.exception("chore failed", chore=chore.name)
                alert("CHORE_FAILED", chore=chore.name, error=type(error).__name__)
                due = runtime.now() + min(every, RETRY_MAX)
        await self._schedule(chore, claim.until, due)

    async def _claim(self, chore: Chore) -> datetime | None:
        """Until when it is ours; None when it is not due."""
        runtime = self._runtime
        chores = runtime.database.mongo[COLLECTION]
        first = {"$setOnInsert": {"next_attempt_at": runtime.now()}}
        await chores.update_one({"_id": chore.name}, first, upsert=True)
        row = await claim_due(
            chores, now=runtime.now(), lease=runtime.policy.lease, criteria={"_id": chore.name}
        )
        claimed_until: datetime | None = None if row is None else row["next_attempt_at"]
        return claimed_until

    @contextlib.asynccontextmanager
    async def _renewing(self, chore: Chore, until: datetime) -> AsyncIterator["_Claim"]:
        """Keeps the claim for as long as the block takes."""
        claim = _Claim(until)
        renewing = asyncio.create_task(self._renew(chore, claim))
        try:
            yield claim
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, chore: Chore, claim: "_Claim") -> None:
        lease = self._runtime.policy.lease
        while True:
            await asyncio.sleep(lease.total_seconds() / RENEWALS_PER_LEASE)
            until = self._runtime.now() + lease
            if not await self._schedule(chore, claim.until, until):
                return  # taken over by another process, for we were paused
            claim.until = until

    async def _schedule(self, chore: Chore, claimed_until: datetime, due: datetime) -> bool:
        """Due at `due`, if the claim is still ours."""
        written = await self._runtime.database.mongo[COLLECTION].update_one(
            {"_id": chore.name, "next_attempt_at": claimed_until}, {"$set": {"next_attempt_at": due}}
        )
        return written.matched_count == 1


@dataclass
class _Claim:
    until: datetime
