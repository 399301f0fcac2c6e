"""Handling one event: what Stripe must be asked first, then effects and mark in one transaction."""

from typing import Final

from domain import inbox
from domain.dispatch.table import HANDLERS
from domain.gateway import CircuitOpen
from domain.inbox import EventStatus, Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime

HANDLE_EVENT: Final = "handle_event"
"""The job that the bell rings for: `handle`, with the event's id as its subject."""


async def handle(runtime: Runtime, event_id: str) -> None:
    """Handle the event unless it is done with. A failure is recorded and tried again later, never raised."""
    event = await inbox.claim(runtime, event_id)
    if event is not None:
        await handle_claimed(runtime, event)


async def handle_claimed(runtime: Runtime, event: WebhookEvent) -> None:
    try:
        await _handle(runtime, event)
    except CircuitOpen as circuit:
        await inbox.postpone(runtime, event, circuit.retry_after)
    except Exception as error:
        await inbox.record_failure(runtime, event, error)


async def _handle(runtime: Runtime, event: WebhookEvent) -> None:
    handler = HANDLERS.get((event.endpoint, event.type))
    facts = None if handler is None else await handler.gather(runtime, inbox.payload(runtime, event))

    async def work(tx: Tx) -> Handled | None:
        if not await inbox.is_open(tx, event.id):
            return None
        if handler is None:
            await inbox.mark_done(tx, event.id, EventStatus.IGNORED, Handled("no handler"))
            return None
        handled = await handler.apply(tx, runtime, event, facts)
        await inbox.mark_done(tx, event.id, EventStatus.PROCESSED, handled)
        return handled

    handled = await runtime.database.transact(work)
    if handler is not None and handler.after is not None and handled is not None:
        await handler.after(runtime, handled.outcome)
