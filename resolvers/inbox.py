"""What Stripe told, and what a person must look at: for admins."""

from collections.abc import Sequence

from domain import inbox
from domain.identity import Role
from domain.inbox import EventSearch, Finding, FindingKind, WebhookEvent
from domain.kernel.pages import Page, PageRequest
from resolvers.context import Context


async def find(context: Context, event_id: str) -> WebhookEvent | None:
    """By Stripe's id; for anybody but an admin there is none. Raises Unauthenticated."""
    return await inbox.find(event_id) if context.require().is_admin else None


async def page(context: Context, request: PageRequest, search: EventSearch) -> Page[WebhookEvent]:
    """Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await inbox.page(request, search)


async def findings(
    context: Context, request: PageRequest, *, kinds: Sequence[FindingKind] | None
) -> Page[Finding]:
    """Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await inbox.findings(request, kinds=kinds)
