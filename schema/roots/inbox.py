"""Stripe's events, and findings."""

import strawberry

import resolvers.inbox
from domain import inbox
from domain.inbox import EventSearch, EventStatus, FindingKind
from domain.kernel.pages import PageRequest
from schema.inbox import Finding, WebhookEvent
from schema.shared import Connection, DateTime, Info


@strawberry.type
class InboxQueries:
    @strawberry.field(
        description="ADMIN. Stripe's events, the last received first: by what became of them, Stripe's type, "
        "connected account (acct_...), object (pi_..., tr_...), an operation of ours that they were about, "
        "and time. What is left out does not narrow."
    )
    async def webhook_events(
        self,
        info: Info,
        status: list[EventStatus] | None = None,
        type: list[str] | None = None,
        account: str | None = None,
        object_id: str | None = None,
        operation_id: strawberry.ID | None = None,
        received_after: DateTime | None = None,
        received_before: DateTime | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[WebhookEvent]:
        request = PageRequest.of(first, after, last, before)
        search = EventSearch(
            statuses=status,
            types=type,
            account=account,
            object_id=object_id,
            operation=operation_id,
            received_after=received_after,
            received_before=received_before,
        )
        page = await resolvers.inbox.page(info.context, request, search)
        return Connection[WebhookEvent].of(page, WebhookEvent.of, key=inbox.place)

    @strawberry.field(
        description="ADMIN. What a person must look at, the last found first. Nothing leaves this list."
    )
    async def findings(
        self,
        info: Info,
        kind: list[FindingKind] | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Finding]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.inbox.findings(info.context, request, kinds=kind)
        return Connection[Finding].of(page, Finding.of, key=inbox.place)
