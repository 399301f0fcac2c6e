"""Disputes: their deposit's owner and admins see them, admins decide about others'."""

from collections.abc import Sequence
from datetime import datetime

from domain import disputes
from domain.deposits import Deposit
from domain.disputes import Dispute, DisputeStatus, WriteOffDispute
from domain.identity import Role
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from resolvers.context import Context


async def write_off(context: Context, command: WriteOffDispute) -> Dispute:
    """Raises Unauthenticated, Forbidden (not an admin), and what disputes.write_off raises."""
    viewer = context.require(Role.ADMIN)
    return await disputes.write_off(context.runtime, viewer.id, command)


async def find(context: Context, dispute_id: str) -> Dispute | None:
    """The viewer's own, or for an admin anybody's; somebody else's is the same as none."""
    viewer = context.require()
    dispute = await disputes.find(dispute_id)
    if dispute is None or not (dispute.owner == viewer.id or viewer.is_admin):
        return None
    return dispute


async def page_of(
    context: Context, owner: str, request: PageRequest, *, statuses: Sequence[DisputeStatus] | None
) -> Page[Dispute]:
    context.require()
    return await disputes.page_of(request, criteria={"owner": owner}, statuses=statuses)


async def page(
    context: Context, request: PageRequest, search: Search, *, statuses: Sequence[DisputeStatus] | None
) -> Page[Dispute]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await disputes.page_of(request, criteria=search.criteria("dsp"), statuses=statuses)


async def deposit_of(context: Context, dispute: Dispute) -> Deposit:
    """Of a dispute that was handed to the viewer before: whose it is, its deposit is too."""
    loaded = await context.loaders.operations.load(dispute.deposit)
    if loaded is None:
        raise LookupError(dispute.deposit)
    deposit: Deposit = loaded
    return deposit


def evidence_due_by(context: Context, dispute: Dispute) -> datetime | None:
    """For admins: it is they who answer the bank."""
    return dispute.evidence_due_by if _is_admin(context) else None


def waiting_for(context: Context, dispute: Dispute) -> Blocker | None:
    return disputes.waiting_for(dispute, tells_when=_is_admin(context))


def _is_admin(context: Context) -> bool:
    return context.viewer is not None and context.viewer.is_admin
