"""Deposits: customers make them, their owner and admins see them."""

from collections.abc import AsyncIterator, Sequence

from domain import deposits
from domain.changes import Topic
from domain.deposits import (
    Canceled,
    Created,
    CreateDeposit,
    Deposit,
    DepositStatus,
    Resolved,
    ResolveDeposit,
)
from domain.identity import Role
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from resolvers.context import Context
from resolvers.watching import follow


async def create_deposit(context: Context, command: CreateDeposit) -> Created:
    """Raises Unauthenticated, Forbidden (not a customer), and what deposits.create raises."""
    viewer = context.require(Role.CUSTOMER)
    return await deposits.create(context.runtime, viewer.id, command, budget=context.limits.deposits)


async def cancel_deposit(context: Context, deposit_id: str) -> Canceled:
    """The viewer's own. Raises Unauthenticated, Forbidden (not a customer), NotFound."""
    viewer = context.require(Role.CUSTOMER)
    return await deposits.cancel(context.runtime, viewer.id, deposit_id)


async def resolve_deposit(context: Context, command: ResolveDeposit) -> Resolved:
    """Raises Unauthenticated, Forbidden (not an admin), and what deposits.resolve raises."""
    viewer = context.require(Role.ADMIN)
    return await deposits.resolve(context.runtime, viewer.id, command)


async def find(context: Context, deposit_id: str) -> Deposit | None:
    """The viewer's own, or for an admin anybody's; somebody else's is the same as none."""
    context.require()
    return _visible(context, await deposits.find(deposit_id))


async def get(context: Context, deposit_id: str) -> Deposit:
    """The deposit of an operation that was handed to the viewer before. Raises LookupError."""
    deposit = await context.loaders.deposits.load(deposit_id)
    if deposit is None:
        raise LookupError(deposit_id)
    return deposit


async def page_of(
    context: Context, owner: str, request: PageRequest, *, statuses: Sequence[DepositStatus] | None
) -> Page[Deposit]:
    context.require()
    return await deposits.page_of(owner, request, statuses=statuses)


async def page(
    context: Context, request: PageRequest, search: Search, *, statuses: Sequence[DepositStatus] | None
) -> Page[Deposit]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await deposits.page(request, search, statuses=statuses)


async def watch(context: Context, deposit_id: str) -> AsyncIterator[Deposit | None]:
    """The deposit now and at each change, until it is settled; None, once, when it is not visible."""
    context.require()

    topic = Topic("deposits", deposit_id)

    async def read() -> Deposit | None:
        present = await context.changes.read_once(topic, lambda: deposits.find(deposit_id))
        return _visible(context, present)

    async for deposit in follow(
        context, (topic,), read, is_last=lambda deposit: deposit is None or deposit.is_settled
    ):
        yield deposit


def client_secret(context: Context, deposit: Deposit) -> str | None:
    """Only for the owner, not for an admin who looks on, and only until the deposit is settled."""
    return deposits.client_secret(context.runtime, deposit) if _is_own(context, deposit) else None


def next_action_url(context: Context, deposit: Deposit) -> str | None:
    """Only for the owner: who opens it answers the bank in the payer's name."""
    return deposits.next_action_url(context.runtime, deposit) if _is_own(context, deposit) else None


def checkout_url(context: Context, deposit: Deposit) -> str | None:
    """Only for the owner: who opens it pays, or spoils it, in the payer's name."""
    return deposits.checkout_url(context.runtime, deposit) if _is_own(context, deposit) else None


def _is_own(context: Context, deposit: Deposit) -> bool:
    return context.viewer is not None and context.viewer.id == deposit.owner


def _visible(context: Context, deposit: Deposit | None) -> Deposit | None:
    viewer = context.viewer
    if deposit is None or viewer is None:
        return None
    return deposit if deposit.owner == viewer.id or viewer.is_admin else None
