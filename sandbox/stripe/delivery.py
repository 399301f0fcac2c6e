"""Webhooks on their way: real POSTs, signed over the exact bytes, tried again until they are taken.

What is still to be delivered is in the database, so a restart goes on where the last run stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac

import httpx
import structlog

from . import timers
from .events import Knobs
from .objects import Object
from .sandbox import Sandbox
from .webhook_endpoints import label, signing_secrets
from .wire import render

AT_ONCE_MAX = 16
OLD_S = 3600
"""The age of an old timestamp. Stripe's own libraries believe nothing older than five minutes."""
TIMEOUT_S = 10.0
IDLE_S_MAX = 60.0
_TIMER_RESOLUTION_S = 0.005
_NOBODYS_SECRET = "whsec_of_somebody_else"  # noqa: S105 (it opens nothing)

log = structlog.get_logger(__name__)


def signature(payload: bytes, *secrets: str, timestamp: int) -> str:
    """The `Stripe-Signature` header: signed with each of the secrets."""
    stamped = f"{timestamp}.".encode() + payload
    signed = [hmac.new(secret.encode(), stamped, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={one}" for one in signed)])


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
        event = store.find_any(row["event"])
        if endpoint is None or endpoint.deleted or endpoint.body["status"] != "enabled" or event is None:
            self._settle(delivery, outcome="endpoint gone or disabled", tries=row["tries"])
            return
        knobs = Knobs(**store.setting("knobs", {}))
        subject = f"{row['event']}:{label(endpoint)}:{row['extra']}"
        if self._happens(knobs.drop, f"drop:{subject}"):
            self._settle(delivery, outcome="dropped", tries=row["tries"])
            return
        this_try = f"{subject}:{row['tries']}"
        secrets = signing_secrets(endpoint, now=self._sandbox.clock.now())
        if self._happens(knobs.corrupt, f"corrupt:{this_try}"):
            secrets = [_NOBODYS_SECRET]
        old = self._happens(knobs.old_timestamps, f"old:{this_try}")
        timestamp = int(self._sandbox.config.signs_at()) - (OLD_S if old else 0)
        outcome = await _post(client, endpoint.body["url"], event, secrets, timestamp=timestamp)
        self._record(delivery, row["event"], outcome, tries=row["tries"] + 1, extra=bool(row["extra"]))

    def _happens(self, share: float, about: str) -> bool:
        """A choice that hangs on the seed and on what it is about, and on nothing that happens meanwhile."""
        return self._sandbox.ids.chance(about).random() < share

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

    def _settle(self, delivery: int, *, outcome: str, tries: int) -> None:
        self._sandbox.store.write(
            "UPDATE deliveries SET due = NULL, outcome = ?, tries = ? WHERE id = ?", outcome, tries, delivery
        )


async def _post(
    client: httpx.AsyncClient, url: str, event: Object, secrets: list[str], *, timestamp: int
) -> str:
    """The status as text, or what went wrong."""
    payload = render(event)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(payload, *secrets, timestamp=timestamp),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        response = await client.post(url, content=payload, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return str(response.status_code)
