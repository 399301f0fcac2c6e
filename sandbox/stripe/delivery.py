"""Webhooks on their way: real POSTs, signed over the exact bytes, tried again until they are taken.

What is still to be delivered is in the database, so a restart goes on where the last run stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time

import httpx
import structlog

from . import timers
from .events import Knobs
from .objects import Object
from .sandbox import Sandbox
from .wire import render

AT_ONCE_MAX = 16
TIMEOUT_S = 10.0
IDLE_S_MAX = 60.0
_TIMER_RESOLUTION_S = 0.005

log = structlog.get_logger(__name__)


def signature(payload: bytes, secret: str, *, timestamp: int) -> str:
    """The `Stripe-Signature` header."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"


class Courier:
    """Plays what falls due and delivers what is planned, for as long as `run` runs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client:
            try:
                while True:
                    self._sandbox.changed.clear()
                    timers.play(self._sandbox, until=self._sandbox.clock.now())
                    self._start_due(client)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._sandbox.changed.wait(), self._wait_s())
            finally:
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _start_due(self, client: httpx.AsyncClient) -> None:
        rows = self._sandbox.store.rows(
            "SELECT id FROM deliveries WHERE due <= ? ORDER BY due, id LIMIT ?",
            self._sandbox.clock.now(),
            2 * AT_ONCE_MAX,
        )
        for row in rows:
            if len(self._under_way) >= AT_ONCE_MAX:
                return
            if row["id"] not in self._under_way:
                self._under_way[row["id"]] = asyncio.create_task(self._deliver(client, row["id"]))

    def _wait_s(self) -> float:
        """Until the next timer or delivery. Those under way set `changed` when they end."""
        row = self._sandbox.store.row(
            "SELECT min(due) AS due FROM deliveries WHERE due > ?", self._sandbox.clock.now()
        )
        moments = [
            moment for moment in (timers.next_due(self._sandbox), row["due"] if row else None) if moment
        ]
        wait_s = min(moments, default=float("inf")) - self._sandbox.clock.now()
        return min(max(wait_s, _TIMER_RESOLUTION_S), IDLE_S_MAX)

    async def _deliver(self, client: httpx.AsyncClient, delivery: int) -> None:
        try:
            await self._try(client, delivery)
        finally:
            self._under_way.pop(delivery, None)
            self._sandbox.changed.set()

    async def _try(self, client: httpx.AsyncClient, delivery: int) -> None:
        store = self._sandbox.store
        row = store.row("SELECT * FROM deliveries WHERE id = ? AND due IS NOT NULL", delivery)
        if row is None:
            return
        endpoint = store.find("webhook_endpoint", row["endpoint"], account="")
        event = store.find_any(row["event"], account=_account_of(self._sandbox, row["event"]))
        if endpoint is None or endpoint.deleted or endpoint.body["status"] != "enabled" or event is None:
            self._settle(delivery, outcome="endpoint gone or disabled")
            return
        knobs = Knobs(**store.setting("knobs", {}))
        chance = self._sandbox.ids.chance(f"delivery:{delivery}:{row['tries']}")
        if chance.random() < knobs.drop:
            self._settle(delivery, outcome="dropped")
            return
        corrupt = chance.random() < knobs.corrupt
        outcome = await _post(
            client, endpoint.body["url"], event, endpoint.private["secret"], corrupt=corrupt
        )
        self._record(delivery, row["event"], outcome, tries=row["tries"] + 1, extra=bool(row["extra"]))

    def _record(self, delivery: int, event_id: str, outcome: str, *, tries: int, extra: bool) -> None:
        """Taken: counted. Refused: planned again, unless it was an extra one or the last."""
        if self._sandbox.store.row("SELECT id FROM deliveries WHERE id = ?", delivery) is None:
            return  # forgotten by a reset meanwhile
        if outcome.isdigit() and 200 <= int(outcome) < 300:
            self._settle(delivery, outcome=outcome, tries=tries)
            if not extra:
                self._sandbox.store.write(
                    "UPDATE objects SET body = json_set(body, '$.pending_webhooks', "
                    "json_extract(body, '$.pending_webhooks') - 1) WHERE id = ?",
                    event_id,
                )
            return
        waits = () if extra else self._sandbox.config.delivery_retry_s
        if tries > len(waits):
            log.warning("webhook given up", event_id=event_id, outcome=outcome, tries=tries)
            self._settle(delivery, outcome=outcome, tries=tries)
            return
        self._sandbox.store.write(
            "UPDATE deliveries SET tries = ?, outcome = ?, due = ? WHERE id = ?",
            tries,
            outcome,
            self._sandbox.clock.now() + waits[tries - 1],
            delivery,
        )

    def _settle(self, delivery: int, *, outcome: str, tries: int = 0) -> None:
        self._sandbox.store.write(
            "UPDATE deliveries SET due = NULL, outcome = ?, tries = ? WHERE id = ?", outcome, tries, delivery
        )


async def _post(client: httpx.AsyncClient, url: str, event: Object, secret: str, *, corrupt: bool) -> str:
    """The status as text, or what went wrong. The stamp is real time: receivers look at their own clock."""
    payload = render(event)
    stamped = signature(payload, "whsec_of_somebody_else" if corrupt else secret, timestamp=int(time.time()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": stamped,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        response = await client.post(url, content=payload, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return str(response.status_code)


def _account_of(sandbox: Sandbox, event_id: str) -> str:
    row = sandbox.store.row("SELECT account FROM objects WHERE id = ?", event_id)
    return row["account"] if row else ""
