"""Refunds: admins ask for them, owners too where the house lets them; their owner and admins see them."""

from collections.abc import Sequence

from domain import refunds
from domain.deposits import Deposit
from domain.identity import Role
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from domain.refunds import Asker, Refund, RefundDeposit, RefundStatus, Requested, ResolveRefund
from domain.sending import Hindrance
from resolvers.context import Context


async def refund_deposit(context: Context, command: RefundDeposit) -> Requested:
    """Raises Unauthenticated, and what refunds.request raises."""
    return await refunds.request(context.runtime, _asker(context), command)


async def cancel_refund(context: Context, refund_id: str, reason: str | None) -> Refund:
    """Raises Unauthenticated, and what refunds.cancel raises."""
    return await refunds.cancel(context.runtime, _asker(context), refund_id, reason=reason)


async def resolve_refund(context: Context, command: ResolveRefund) -> Refund:
    """Raises Unauthenticated, Forbidden (not an admin), and what refunds.resolve raises."""
    viewer = context.require(Role.ADMIN)
    return await refunds.resolve(context.runtime, viewer.id, command)


async def find(context: Context, refund_id: str) -> Refund | None:
    """The viewer's own, or for an admin anybody's; somebody else's is the same as none."""
    viewer = context.require()
    refund = await refunds.find(refund_id)
    return refund if refund is not None and (refund.owner == viewer.id or viewer.is_admin) else None


async def page_of(
    context: Context, owner: str, request: PageRequest, *, statuses: Sequence[RefundStatus] | None
) -> Page[Refund]:
    context.require()
    return await refunds.page_of(request, criteria={"owner": owner}, statuses=statuses)


async def page(
    context: Context, request: PageRequest, search: Search, *, statuses: Sequence[RefundStatus] | None
) -> Page[Refund]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await refunds.page_of(request, criteria=search.criteria("rfd"), statuses=statuses)


async def waiting_for(context: Context, refund: Refund) -> Blocker | None:
    """Of a refund that was handed to the viewer before."""
    frozen = refund.hindrance is Hindrance.FREEZE
    wallet = await context.loaders.wallets.load(refund.wallet) if frozen else None
    return refunds.waiting_for(refund, wallet=wallet)


async def refundable(context: Context, deposit: Deposit) -> int:
    """Of a deposit that was handed to the viewer before: what is left of it, as far as the wallet has it."""
    left = deposit.refundable
    if not left or deposit.paid.currency != deposit.currency:
        return left
    wallet = await context.loaders.wallets.load(deposit.wallet)
    return left if wallet is None else refunds.refundable(deposit, wallet.available)


def _asker(context: Context) -> Asker:
    viewer = context.require()
    return Asker(viewer.id, is_admin=viewer.is_admin)
