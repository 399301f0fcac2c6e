"""Stripe's events and what was found in them, as admins see them."""

import asyncio
from typing import Annotated, Final

import strawberry

from domain import inbox
from domain.inbox import Endpoint, EventStatus, FindingKind
from schema.operations import shown
from schema.shared import DateTime, Info, Money, Node, Operation

PREFIX: Final = "whe_"

strawberry.enum(
    EventStatus,
    name="WebhookEventStatus",
    description="What became of an event. PENDING: it is stored. PROCESSED: it had its effects. IGNORED: of "
    "a type that nothing here answers. FAILED: it is tried again at `nextAttemptAt`. DEAD: it failed each "
    "time. More may be added.",
)
strawberry.enum(
    Endpoint,
    name="WebhookEndpoint",
    description="Which route an event came by: about the platform, or about a connected account. "
    "More may be added.",
)
strawberry.enum(
    FindingKind,
    description="What is wrong. UNMATCHED: an event about money whose operation is not here. UNEXPLAINED: a "
    "movement of Stripe's balance that nothing of ours caused. SETTLED_OTHERWISE: a deposit became another "
    "amount or currency there. PAYOUT_NOT_LINKED: a withdrawal was sent ten days ago, and no payout to a "
    "bank is known to cover it. More may be added.",
)


@strawberry.type(description="Something that a person must look at. It stays on record, looked at or not.")
class Finding:
    id: strawberry.ID = strawberry.field(description="Opaque.")
    kind: FindingKind = strawberry.field(description="What is wrong.")
    about: strawberry.ID = strawberry.field(
        description="What was found: Stripe's event or balance transaction, or our withdrawal."
    )
    object_id: str | None = strawberry.field(description="Stripe's id of what moved.")
    found_at: DateTime = strawberry.field(description="When.")
    event_id: strawberry.Private[str | None]
    operation_id: strawberry.Private[str | None]

    @strawberry.field(description="The event that it was found in: of UNMATCHED alone.")
    async def event(self, info: Info) -> Annotated["WebhookEvent", strawberry.lazy("schema.inbox")] | None:
        event = None if self.event_id is None else await info.context.loaders.events.load(self.event_id)
        return None if event is None else WebhookEvent.of(event)

    @strawberry.field(description="The operation that it is about, where one is known.")
    async def operation(self, info: Info) -> Operation | None:
        if self.operation_id is None:
            return None
        operation = await info.context.loaders.operations.load(self.operation_id)
        return None if operation is None else shown(operation)

    @strawberry.field(
        description="Of UNEXPLAINED and SETTLED_OTHERWISE, what moved at Stripe, before its fee: signed."
    )
    async def amount(self, info: Info) -> Money | None:
        movement = await info.context.loaders.movements.load(self.about)
        return None if movement is None else Money.of(movement.amount, movement.currency)

    @classmethod
    def of(cls, document: inbox.Finding) -> "Finding":
        return cls(
            id=strawberry.ID(document.id),
            kind=document.kind,
            about=strawberry.ID(document.about),
            object_id=document.object_id,
            found_at=document.found_at,
            event_id=document.event_id,
            operation_id=document.operation,
        )


@strawberry.type(description="An event of Stripe's as it was received, and what it did.")
class WebhookEvent(Node):
    stripe_id: str = strawberry.field(description="Stripe's id of it, evt_....")
    type: str = strawberry.field(description="Stripe's type, e.g. payment_intent.succeeded.")
    endpoint: Endpoint = strawberry.field(description="By which route it came.")
    account: str | None = strawberry.field(description="The connected account that it is about.")
    object_id: str | None = strawberry.field(description="Stripe's id of the object that it is about.")
    status: EventStatus = strawberry.field(description="What became of it.")
    attempts: int = strawberry.field(description="How often it was handled, the last time included.")
    received_at: DateTime = strawberry.field(description="When it was first received.")
    processed_at: DateTime | None = strawberry.field(description="When it had its effects, or was ignored.")
    error: str | None = strawberry.field(
        description="What kind of error ended the last attempt; the logs of that time have the rest."
    )
    next_attempt_at: DateTime | None = strawberry.field(
        description="When it is tried next, unless a worker is sooner; null when it is done with, or DEAD."
    )
    outcome: str | None = strawberry.field(
        description="What it did, for people: ids and states, e.g. `dep_... PROCESSING -> SUCCEEDED`, or why "
        "it did nothing. No format to rely on."
    )
    operation_ids: strawberry.Private[list[str]]

    @strawberry.field(
        description="The operations that it was about, also where it told nothing new; empty while it waits."
    )
    async def operations(self, info: Info) -> list[Operation]:
        load = info.context.loaders.operations.load
        found = await asyncio.gather(*(load(operation_id) for operation_id in self.operation_ids))
        return [shown(operation) for operation in found if operation is not None]

    @strawberry.field(description="What a person must look at.")
    async def findings(self, info: Info) -> list[Finding]:
        finding = await info.context.loaders.findings.load(self.stripe_id)
        return [] if finding is None else [Finding.of(finding)]

    @classmethod
    def of(cls, document: inbox.WebhookEvent) -> "WebhookEvent":
        return cls(
            id=strawberry.ID(PREFIX + document.id),
            stripe_id=document.id,
            type=document.type,
            endpoint=document.endpoint,
            account=document.account,
            object_id=document.object_id,
            status=document.status,
            attempts=document.attempts,
            received_at=document.received_at,
            processed_at=document.processed_at,
            error=document.error,
            next_attempt_at=document.next_attempt_at,
            outcome=document.outcome,
            operation_ids=document.operations,
        )
