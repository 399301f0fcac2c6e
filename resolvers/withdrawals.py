"""Withdrawals: contractors ask for them, their owner and admins see them, admins decide about others'."""

from collections.abc import AsyncIterator, Sequence

from domain import withdrawals
from domain.changes import Topic
from domain.identity import Role
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from domain.ledger import Wallet
from domain.withdrawals import (
    Hindrance,
    Requested,
    RequestWithdrawal,
    ResolveWithdrawal,
    Withdrawal,
    WithdrawalStatus,
)
from resolvers.context import Context
from resolvers.watching import follow


async def request_withdrawal(context: Context, command: RequestWithdrawal) -> Requested:
    """Raises Unauthenticated, Forbidden (not a contractor), and what withdrawals.request raises."""
    viewer = context.require(Role.CONTRACTOR)
    return await withdrawals.request(context.runtime, viewer.id, command, budget=context.limits.withdrawals)


async def cancel_withdrawal(context: Context, withdrawal_id: str, reason: str | None) -> Withdrawal:
    """The viewer's own. Raises Unauthenticated, Forbidden, and what withdrawals.cancel raises."""
    viewer = context.require(Role.CONTRACTOR)
    return await withdrawals.cancel(context.runtime, viewer.id, withdrawal_id, reason=reason)


async def approve_withdrawal(context: Context, withdrawal_id: str, reason: str | None) -> Withdrawal:
    """Raises Unauthenticated, Forbidden (not an admin), and what withdrawals.approve raises."""
    viewer = context.require(Role.ADMIN)
    return await withdrawals.approve(context.runtime, viewer.id, withdrawal_id, reason=reason)


async def reject_withdrawal(context: Context, withdrawal_id: str, reason: str | None) -> Withdrawal:
    """Raises Unauthenticated, Forbidden (not an admin), and what withdrawals.reject raises."""
    viewer = context.require(Role.ADMIN)
    return await withdrawals.reject(context.runtime, viewer.id, withdrawal_id, reason=reason)


async def resolve_withdrawal(context: Context, command: ResolveWithdrawal) -> Withdrawal:
    """Raises Unauthenticated, Forbidden (not an admin), and what withdrawals.resolve raises."""
    viewer = context.require(Role.ADMIN)
    return await withdrawals.resolve(context.runtime, viewer.id, command)


async def find(context: Context, withdrawal_id: str) -> Withdrawal | None:
    """The viewer's own, or for an admin anybody's; somebody else's is the same as none."""
    context.require()
    return _visible(context, await withdrawals.find(withdrawal_id))


async def page_of(
    context: Context, owner: str, request: PageRequest, *, statuses: Sequence[WithdrawalStatus] | None
) -> Page[Withdrawal]:
    context.require()
    return await withdrawals.page_of(request, criteria={"owner": owner}, statuses=statuses)


async def page(
    context: Context, request: PageRequest, search: Search, *, statuses: Sequence[WithdrawalStatus] | None
) -> Page[Withdrawal]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await withdrawals.page_of(request, criteria=search.criteria("wdr"), statuses=statuses)


async def waiting_for(context: Context, withdrawal: Withdrawal) -> Blocker | None:
    """Of a withdrawal that was handed to the viewer before."""
    account = wallet = None
    if withdrawal.hindrance is Hindrance.ACCOUNT:
        account = await context.loaders.live_accounts.load(withdrawal.owner)
    if withdrawal.hindrance is Hindrance.FREEZE:
        wallet = await context.loaders.wallets.load(withdrawal.wallet)
    return withdrawals.waiting_for(withdrawal, account=account, wallet=wallet)


async def blockers(context: Context, wallet: Wallet, amount: int) -> list[Blocker]:
    """Of a wallet that was handed to the viewer before."""
    return await withdrawals.blockers(context.runtime, wallet, amount, budget=context.limits.withdrawals)


async def watch(context: Context, withdrawal_id: str) -> AsyncIterator[Withdrawal | None]:
    """The withdrawal now and at each change, until it is settled; None, once, when it is not visible."""
    context.require()

    topic = Topic("withdrawals", withdrawal_id)

    async def read() -> Withdrawal | None:
        present = await context.changes.read_once(topic, lambda: withdrawals.find(withdrawal_id))
        return _visible(context, present)

    told: int | None = None
    async for withdrawal in follow(
        context, (topic,), read, is_last=lambda withdrawal: withdrawal is None or withdrawal.is_settled
    ):
        # That a worker is at it, or has looked in vain, is no change.
        if withdrawal is None or withdrawal.version != told:
            yield withdrawal
        told = None if withdrawal is None else withdrawal.version


def _visible(context: Context, withdrawal: Withdrawal | None) -> Withdrawal | None:
    viewer = context.viewer
    if withdrawal is None or viewer is None:
        return None
    return withdrawal if withdrawal.owner == viewer.id or viewer.is_admin else None
