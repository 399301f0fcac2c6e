"""Adjustments: admins ask for them and decide about others', and a wallet's owner sees what was posted."""

from collections.abc import Sequence

from domain import adjustments
from domain.adjustments import Adjusted, Adjustment, AdjustmentStatus, AdjustWallet, Preview
from domain.identity import Role
from domain.kernel.errors import DomainError
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from resolvers.context import Context


async def adjust(context: Context, command: AdjustWallet) -> Adjusted:
    """Raises Unauthenticated, Forbidden (not an admin), and what adjustments.adjust raises."""
    viewer = context.require(Role.ADMIN)
    adjusted = await adjustments.adjust(context.runtime, viewer.id, command)
    context.forget()
    return adjusted


async def confirm(context: Context, adjustment_id: str, reason: str | None) -> Adjustment:
    """Raises Unauthenticated, Forbidden (not an admin), and what adjustments.confirm raises."""
    viewer = context.require(Role.ADMIN)
    confirmed = await adjustments.confirm(context.runtime, viewer.id, adjustment_id, reason=reason)
    context.forget()
    return confirmed


async def reject(context: Context, adjustment_id: str, reason: str) -> Adjustment:
    """Raises Unauthenticated, Forbidden (not an admin), and what adjustments.reject raises."""
    viewer = context.require(Role.ADMIN)
    rejected = await adjustments.reject(context.runtime, viewer.id, adjustment_id, reason=reason)
    context.forget()
    return rejected


async def find(context: Context, adjustment_id: str) -> Adjustment | None:
    """For an admin any, for the wallet's owner one that was posted; another is the same as none."""
    found = await context.find_operation(adjustment_id)
    return found if isinstance(found, Adjustment) else None


async def page(
    context: Context, request: PageRequest, search: Search, *, statuses: Sequence[AdjustmentStatus] | None
) -> Page[Adjustment]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await adjustments.page(request, search, statuses=statuses)


async def preview(context: Context, adjustment: Adjustment) -> Preview | None:
    """Of one that waits, for admins, as its wallet is now; None where it could not be posted now."""
    if adjustment.is_settled or context.viewer is None or not context.viewer.is_admin:
        return None
    wallet = await context.loaders.wallets.load(adjustment.wallet)
    try:
        now = context.runtime.now()
        return None if wallet is None else adjustments.preview(adjustment, wallet, at=now)
    except DomainError:
        return None


async def waiting_for(context: Context, adjustment: Adjustment) -> Blocker | None:
    """Of an adjustment that was handed to the viewer before."""
    if adjustment.is_settled:
        return None
    wallet = await context.loaders.wallets.load(adjustment.wallet)
    now = context.runtime.now()
    return None if wallet is None else adjustments.waiting_for(adjustment, wallet, at=now)
