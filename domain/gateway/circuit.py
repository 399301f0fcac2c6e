"""The circuit breaker: while Stripe is down nobody waits for it, and one call at a time asks if it is back.

closed ──(so many outages in a row)──> open ──(a pause)──> half-open ──(Stripe answers)──> closed
                                        ^────────(it does not)─────────┘

One of ours probes, not a caller's: nobody waits for an answer that may not come, no money hangs on the first
call after an outage, and the circuit closes though nobody asks.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Gauge
from purgatory import SyncCircuitBreakerFactory

from domain.gateway.errors import CircuitOpen, StripeTrouble
from domain.kernel.alerts import alert

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"
# While it is being probed nobody knows how long that takes.
RETRY_AFTER_S_MIN: Final = 1.0

_log = structlog.get_logger("gateway")
_CIRCUITS = Gauge(
    "jobsphere_stripe_circuit",
    "Processes by the state of their circuit to Stripe.",
    ["state"],
    multiprocess_mode="livesum",
)


class _Outage(Exception):
    """What purgatory is told of a call that failed."""


class Circuit:
    """One per event loop, its state in memory. `failures`: in a row, any other answer of Stripe's between.

    `probe` raises StripeTrouble; as long as that is an outage, the circuit stays open.
    """

    def __init__(self, *, failures: int, open_s: float, probe: Callable[[], Awaitable[object]]) -> None:
        self._open_s = open_s
        self._probe = probe
        # purgatory counts. The pause is ours: its own goes by the wall clock, which may be set back.
        factory = SyncCircuitBreakerFactory(default_threshold=failures, default_ttl=-math.inf)
        self._breaker = factory.get_breaker("stripe")
        self._probe_at = 0.0
        self._healing: asyncio.Task[None] | None = None
        self._closed = False
        self._shown: str | None = None
        self._show(CLOSED)

    @property
    def is_open(self) -> bool:
        """Also while it is half-open: then the probe alone may pass."""
        return self._breaker.context.state != CLOSED

    def check(self) -> None:
        """Raises CircuitOpen unless calls may pass."""
        if self.is_open:
            pause_s = max(self._probe_at - time.monotonic(), RETRY_AFTER_S_MIN)
            raise CircuitOpen(retry_after=timedelta(seconds=pause_s))

    def hear(self, *, outage: bool) -> None:
        """How a call went. Of one that was cancelled, or not sent at all, there is nothing to tell."""
        if self.is_open or self._closed:
            return  # sent before it opened: old news; or cut off by our own end
        with suppress(_Outage), self._breaker:
            if outage:
                raise _Outage
        if self.is_open:
            alert("STRIPE_CIRCUIT_OPEN", open_seconds=self._open_s)
            # In a context of its own: its log lines name no request that happened to be there.
            self._healing = asyncio.create_task(self._heal(), context=Context())

    async def close(self) -> None:
        """The end of its process, not of an outage."""
        self._closed = True
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.wait([self._healing])
        self._show(None)

    async def _heal(self) -> None:
        """Until it is closed: pause, then probe."""
        while self.is_open:
            self._show(OPEN)
            self._probe_at = time.monotonic() + self._open_s
            await asyncio.sleep(self._open_s)
            with suppress(_Outage), self._breaker:
                self._show(HALF_OPEN)
                if not await self._is_back():
                    raise _Outage
        self._show(CLOSED)
        _log.info("circuit closed")

    async def _is_back(self) -> bool:
        """Any answer of Stripe's is one, a refusal too."""
        try:
            await self._probe()
        except StripeTrouble as trouble:
            return not trouble.outage
        except Exception:
            # Whatever it is, the next pause must come, or the circuit would never close.
            _log.exception("probe failed")
            return False
        return True

    def _show(self, state: str | None) -> None:
        if self._shown is not None:
            _CIRCUITS.labels(state=self._shown).dec()
        if state is not None:
            _CIRCUITS.labels(state=state).inc()
        self._shown = state
