"""Escrows: customers make and release them, contractors answer, both parties and admins see them."""

from collections.abc import AsyncIterator, Awaitable, Sequence

from domain import escrow, ledger
from domain.changes import Topic
from domain.escrow import (
    Answered,
    Asker,
    CreateEscrow,
    Escrow,
    EscrowMove,
    EscrowSide,
    EscrowStatus,
    RefundEscrow,
    ReleaseEscrow,
    ResolveEscrow,
)
from domain.identity import Role
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from resolvers.context import Context
from resolvers.watching import follow


async def create(context: Context, command: CreateEscrow) -> Answered:
    """Raises Unauthenticated, Forbidden (not a customer), and what escrow.create raises."""
    viewer = context.require(Role.CUSTOMER)
    return await _fresh(context, escrow.create(context.runtime, viewer.id, command))


async def accept(context: Context, escrow_id: str, reason: str | None) -> Answered:
    """Each of these raises Unauthenticated, Forbidden (a role that may never), and what its verb raises."""
    asker = _asker(context, Role.CONTRACTOR)
    return await _fresh(context, escrow.accept(context.runtime, asker, escrow_id, reason=reason))


async def reject(context: Context, escrow_id: str, reason: str | None) -> Answered:
    asker = _asker(context, Role.CONTRACTOR)
    return await _fresh(context, escrow.reject(context.runtime, asker, escrow_id, reason=reason))


async def cancel(context: Context, escrow_id: str, reason: str | None) -> Answered:
    asker = _asker(context, Role.CUSTOMER)
    return await _fresh(context, escrow.cancel(context.runtime, asker, escrow_id, reason=reason))


async def dispute(context: Context, escrow_id: str, reason: str | None) -> Answered:
    asker = _asker(context, Role.CUSTOMER, Role.CONTRACTOR)
    return await _fresh(context, escrow.dispute(context.runtime, asker, escrow_id, reason=reason))


async def release(context: Context, command: ReleaseEscrow) -> Answered:
    asker = _asker(context, Role.CUSTOMER, Role.ADMIN)
    return await _fresh(context, escrow.release(context.runtime, asker, command))


async def refund(context: Context, command: RefundEscrow) -> Answered:
    asker = _asker(context, Role.CONTRACTOR, Role.ADMIN)
    return await _fresh(context, escrow.refund(context.runtime, asker, command))


async def resolve(context: Context, command: ResolveEscrow) -> Answered:
    asker = _asker(context, Role.ADMIN)
    return await _fresh(context, escrow.resolve(context.runtime, asker, command))


async def find(context: Context, escrow_id: str) -> Escrow | None:
    """One to which the viewer is a party, or for an admin any; another is the same as none."""
    context.require()
    return _visible(context, await escrow.find(escrow_id))


async def find_move(context: Context, move_id: str) -> EscrowMove | None:
    """A move of an escrow that the viewer may see."""
    context.require()
    move = await escrow.find_move(move_id)
    return None if move is None or await find(context, move.escrow) is None else move


async def page_of(
    context: Context,
    person: str,
    request: PageRequest,
    *,
    side: EscrowSide | None,
    statuses: Sequence[EscrowStatus] | None,
    job_id: str | None,
) -> Page[Escrow]:
    """Of a person who was handed to the viewer before."""
    context.require()
    return await escrow.page_of(person, request, side=side, statuses=statuses, job_id=job_id)


async def page(
    context: Context,
    request: PageRequest,
    search: Search,
    *,
    statuses: Sequence[EscrowStatus] | None,
    job_id: str | None,
) -> Page[Escrow]:
    """Everybody's. Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await escrow.page(request, search, statuses=statuses, job_id=job_id)


async def moves_of(context: Context, escrow_id: str) -> list[EscrowMove]:
    """Of an escrow that was handed to the viewer before."""
    return await context.loaders.escrow_moves.load(escrow_id) or []


async def waiting_for(context: Context, document: Escrow) -> Blocker | None:
    """What the escrow waits for, as the customer's wallet is now."""
    frozen = document.is_running and await _is_frozen(context, document)
    return escrow.waiting_for(document, frozen=frozen, now=context.runtime.now())


async def watch(context: Context, escrow_id: str) -> AsyncIterator[Escrow | None]:
    """The escrow now and at each change, until it is settled; None, once, when it is not visible.

    A freeze of the customer's wallet is a change, for it is what a release then waits for.
    """
    first = await find(context, escrow_id)
    if first is None:
        yield None
        return
    job, payer = Topic("escrows", escrow_id), Topic("wallets", first.wallet)

    async def read() -> tuple[Escrow | None, bool]:
        present = await context.changes.read_once(job, lambda: escrow.find(escrow_id))
        wallet = await context.changes.read_once(payer, lambda: ledger.wallet(payer.value))
        return _visible(context, present), wallet is not None and wallet.frozen

    async for present, _ in follow(
        context, (job, payer), read, is_last=lambda state: state[0] is None or state[0].is_settled
    ):
        yield present


async def _fresh(context: Context, verb: Awaitable[Answered]) -> Answered:
    """What the verb answers. What one mutation of a request has read, the next must not answer with."""
    answered = await verb
    context.forget()
    return answered


async def _is_frozen(context: Context, document: Escrow) -> bool:
    wallet = await context.loaders.wallets.load(document.wallet)
    return wallet is not None and wallet.frozen


def _asker(context: Context, *roles: Role) -> Asker:
    viewer = context.require(*roles)
    return Asker(viewer.id, is_admin=viewer.is_admin)


def _visible(context: Context, document: Escrow | None) -> Escrow | None:
    viewer = context.viewer
    if document is None or viewer is None:
        return None
    asker = Asker(viewer.id, is_admin=viewer.is_admin)
    return None if escrow.side_of(document, asker) is None else document
