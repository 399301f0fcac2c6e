"""Wallets and their statements: each person's own, and for admins everybody's by id."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import deposits, escrow, ledger, withdrawals
from domain.changes import Topic
from domain.identity import Role
from domain.kernel.database import Row
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import check_known
from domain.ledger import FreezeChange, FreezeRecord, Kind, StatementLine, Wallet, WalletDecision
from resolvers.context import Context
from resolvers.watching import follow


@dataclass(frozen=True)
class StatementFilter:
    """Lines of these kinds, after one instant and before another; None does not filter."""

    kinds: Sequence[Kind] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def own(context: Context, currency: str) -> Wallet | None:
    """The viewer's wallet, made on first use; None for a currency that the platform does not take."""
    viewer = context.require()
    if context.runtime.policy.currency(currency) is None:
        return None
    return await ledger.open_wallet(viewer.id, currency)


async def all_own(context: Context) -> list[Wallet]:
    return await ledger.wallets_of(context.require().id)


async def find(context: Context, wallet_id: str) -> Wallet | None:
    viewer = context.require()
    wallet = await ledger.wallet(wallet_id)
    if wallet is None or (wallet.owner != viewer.id and not viewer.is_admin):
        return None
    return wallet


async def of_person(context: Context, user_id: str, currency: str) -> Wallet | None:
    """Somebody's wallet, if it was ever opened. Raises Unauthenticated, Forbidden."""
    context.require(Role.ADMIN)
    return await ledger.wallet_of(user_id, currency)


async def debts(context: Context, currency: str, request: PageRequest) -> Page[Wallet]:
    """Raises Unauthenticated, Forbidden (not an admin), BadRequest (no currency)."""
    context.require(Role.ADMIN)
    check_known(currency)
    return await ledger.debts(currency, request)


async def freeze(context: Context, decision: WalletDecision) -> Wallet:
    """Raises Unauthenticated, Forbidden (not an admin), and what ledger.freeze_wallet raises."""
    viewer = context.require(Role.ADMIN)
    return await ledger.freeze_wallet(context.runtime, viewer.id, decision)


async def unfreeze(context: Context, decision: WalletDecision) -> Wallet:
    """Raises Unauthenticated, Forbidden (not an admin), and what withdrawals.unfreeze_wallet raises."""
    viewer = context.require(Role.ADMIN)
    return await withdrawals.unfreeze_wallet(context.runtime, viewer.id, decision)


async def freeze_changes(context: Context, wallet: Wallet, request: PageRequest) -> Page[FreezeChange]:
    """Raises Unauthenticated, Forbidden."""
    context.require(Role.ADMIN)
    return await ledger.freeze_changes(wallet.id, request)


def frozen_by(context: Context, freeze: FreezeRecord) -> str | None:
    """Who or what froze it: the owner hears why, and only admins hear of whom."""
    return context.admins_only(freeze.by)


async def find_line(context: Context, wallet_id: str, seq: int) -> tuple[StatementLine, Wallet] | None:
    """One line of a wallet that the viewer may see, with the wallet."""
    wallet = await find(context, wallet_id)
    line = None if wallet is None else await ledger.line(wallet_id, seq)
    return None if wallet is None or line is None else (line, wallet)


async def statement(
    context: Context, wallet: Wallet, request: PageRequest, criteria: StatementFilter
) -> Page[Row]:
    """One page of a wallet that was handed to the viewer before."""
    context.require()
    return await ledger.statement(
        wallet.id,
        request,
        kinds=criteria.kinds,
        created_after=criteria.created_after,
        created_before=criteria.created_before,
    )


async def incoming(wallet: Wallet) -> int:
    """Minor units in deposits that are being processed."""
    return await deposits.incoming(wallet.owner, wallet.currency)


async def in_escrow(wallet: Wallet) -> int:
    """Minor units of the owner's that are locked in escrow."""
    return await escrow.locked(wallet.owner, wallet.currency)


async def watch(context: Context, currency: str) -> AsyncIterator[Wallet | None]:
    """The wallet now, and whenever it or what is incoming or in escrow changes.

    None, once, for a foreign currency.
    """
    wallet = await own(context, currency)
    if wallet is None:
        yield None
        return
    wallet_id, owner = wallet.id, wallet.owner

    async def read() -> tuple[Wallet | None, int, int]:
        incoming, locked = await deposits.incoming(owner, currency), await escrow.locked(owner, currency)
        return await ledger.wallet(wallet_id), incoming, locked

    topics = (
        Topic("wallets", wallet_id),
        Topic("deposits", owner, "owner"),
        Topic("escrows", owner, "owner"),
    )
    async for present, *_ in follow(context, topics, read):
        yield present
