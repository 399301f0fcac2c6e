"""Accounts for payouts: contractors set up their own, their owner and admins see them."""

from collections.abc import AsyncIterator

from domain import onboarding, withdrawals
from domain.changes import Topic
from domain.gateway import AccountLink
from domain.identity import Role
from domain.onboarding import Addresses, ConnectAccount, CreateConnectAccount, Created
from resolvers.context import Context
from resolvers.watching import follow


async def create(context: Context, command: CreateConnectAccount) -> Created:
    """Raises Unauthenticated, Forbidden (not a contractor), and what onboarding.create raises."""
    viewer = context.require(Role.CONTRACTOR)
    return await onboarding.create(
        context.runtime, viewer.id, command, budget=context.limits.connect_accounts
    )


async def create_onboarding_link(context: Context, addresses: Addresses) -> AccountLink:
    """Raises Unauthenticated, Forbidden, and what onboarding.create_onboarding_link raises."""
    viewer = context.require(Role.CONTRACTOR)
    return await onboarding.create_onboarding_link(context.runtime, viewer.id, addresses)


async def create_dashboard_link(context: Context) -> str:
    """Raises Unauthenticated, Forbidden, and what onboarding.create_dashboard_link raises."""
    viewer = context.require(Role.CONTRACTOR)
    return await onboarding.create_dashboard_link(context.runtime, viewer.id)


async def own(context: Context, *, fresh: bool) -> ConnectAccount | None:
    """The viewer's. `fresh`: as Stripe says now, and what waited for that goes on."""
    account = await onboarding.of_owner(context.runtime, context.require().id, fresh=fresh)
    if fresh and account is not None and account.withdrawals_enabled:
        await withdrawals.wake_owner(context.runtime, account.owner)
    return account


async def find(context: Context, account_id: str) -> ConnectAccount | None:
    """The viewer's own, or for an admin anybody's; somebody else's is the same as none."""
    viewer = context.require()
    account = await onboarding.find(account_id)
    if account is None or (account.owner != viewer.id and not viewer.is_admin):
        return None
    return account


async def watch(context: Context) -> AsyncIterator[ConnectAccount | None]:
    """The viewer's account now and at each change, until it is over; None for as long as there is none."""
    owner = context.require().id

    async def read() -> ConnectAccount | None:
        return await onboarding.latest(owner)

    told: tuple[str, int] | None = None
    first = True
    async for account in follow(
        context,
        (Topic("connect_accounts", owner, "owner"),),
        read,
        is_last=lambda account: account is not None and account.is_settled,
    ):
        # That Stripe was asked, and said the same, is no change.
        version = None if account is None else (account.id, account.version)
        if first or version != told:
            yield account
        told, first = version, False
