"""The sweep: does what is due in MongoDB, whether or not a bell was heard. One process sweeps at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Counter
from pydantic import ValidationError
from ulid import ULID

from domain import deposits, dispatch, disputes, escrow, inbox, onboarding, refunds, withdrawals
from domain.kernel import lease
from domain.runtime import Runtime

LANES: Final = 4
LEASE_NAME: Final = "sweep"
_log = structlog.get_logger("sweep")
_SWEPT = Counter("jobsphere_swept", "Due things that the sweep took up, by their kind.", ["kind"])


@dataclass(frozen=True)
class Due:
    """One kind of due work: `claim` leases the next one, `act` does it."""

    kind: str
    claim: Callable[[Runtime], Awaitable[Any]]
    act: Callable[[Runtime, Any], Awaitable[None]]


DUE: Final = (
    Due("webhook_event", inbox.claim_next, dispatch.handle_claimed),
    Due("deposit", deposits.claim_next, deposits.look_again),
    Due("connect_account", onboarding.claim_next, withdrawals.look_at_account),
    Due("escrow", escrow.claim_next, escrow.expire),
    Due("withdrawal", withdrawals.claim_next, withdrawals.look_again),
    Due("dispute", disputes.claim_next, disputes.look_again),
    Due("refund", refunds.claim_next, refunds.look_again),
)


class Sweep:
    """Sweeps every `interval_s` seconds while it holds the lease."""

    def __init__(self, runtime: Runtime, *, interval_s: float) -> None:
        self._runtime = runtime
        self._interval_s = interval_s
        self._holder = str(ULID())

    async def run(self) -> None:
        """For ever, until cancelled; then the lease is given back."""
        try:
            while True:
                try:
                    await self.once()
                except Exception:
                    _log.exception("sweep failed")
                await asyncio.sleep(self._interval_s)
        finally:
            await asyncio.shield(self.release())

    async def once(self) -> None:
        """Everything that is due now, some at a time; nothing when another process sweeps."""
        if await self._holds_lease():
            async with asyncio.TaskGroup() as lanes:
                for due in DUE:
                    lanes.create_task(self._lane(due, lanes, LANES - 1))

    async def release(self) -> None:
        """Let another process sweep, now."""
        await lease.release(self._runtime.database, LEASE_NAME, holder=self._holder)

    async def _lane(self, due: Due, lanes: asyncio.TaskGroup, more: int) -> None:
        """One after the other, while the lease is held; the first opens the next of at most `more` lanes.

        Most of the time nothing is due, and a round that finds nothing asks once for each kind.
        """
        held = True
        while held:
            try:
                claimed = await due.claim(self._runtime)
            except ValidationError as error:
                # Another version wrote it. Leased like any other, it is out of the way of what lies behind.
                problems = error.errors(include_input=False, include_context=False, include_url=False)
                _log.error("due work cannot be read", kind=due.kind, problems=problems)
            else:
                if claimed is None:
                    return
                if more:
                    lanes.create_task(self._lane(due, lanes, more - 1))
                    more = 0
                await self._do(due, claimed)
            held = await self._holds_lease()

    async def _do(self, due: Due, claimed: Any) -> None:
        _SWEPT.labels(kind=due.kind).inc()
        try:
            await due.act(self._runtime, claimed)
        except Exception:
            # It is due again when its lease ends; what lies behind it must not wait for that.
            _log.exception("due work failed", kind=due.kind, subject=claimed.id)

    async def _holds_lease(self) -> bool:
        runtime = self._runtime
        return await lease.hold(
            runtime.database,
            LEASE_NAME,
            holder=self._holder,
            now=runtime.now(),
            lease=runtime.policy.lease,
        )
