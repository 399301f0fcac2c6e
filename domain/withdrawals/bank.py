"""The way from a contractor's Stripe account to their bank: which payout covers which withdrawal.

Stripe lists what is in an automatic payout once it says `reconciliation_completed`; one that was made by hand
names the withdrawal in its metadata. Whatever event tells of a payout, it is read, so their order is nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.gateway import Payout
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.runtime import Runtime
from domain.withdrawals import facts, reads


@dataclass(frozen=True)
class ToldPayout:
    """A payout of `account` as Stripe showed it at `observed_at`, and what Stripe lists in it."""

    account: str
    payout: Payout
    sources: Sequence[str]
    observed_at: datetime


async def read(runtime: Runtime, account: str, payout_id: str) -> ToldPayout:
    """Raises StripeTrouble."""
    observed_at = runtime.now()
    payout = await runtime.gateway.payout(account, payout_id)
    sources: Sequence[str] = ()
    if payout.lists_its_sources:
        sources = await runtime.gateway.payout_sources(account, payout_id)
    return ToldPayout(account, payout, sources, observed_at)


async def record(tx: Tx, *, told: ToldPayout, actor: Actor) -> list[str]:
    """Write it to every withdrawal that it covers; their ids."""
    payout = told.payout
    claimed = payout.metadata.get("withdrawal_id")
    covered = []
    for withdrawal_id in await reads.of_payout(tx, payout.id, told.sources, claimed):
        withdrawal = await reads.get(withdrawal_id, tx)
        if withdrawal.account != told.account:
            continue
        await facts.record_payout(
            tx, withdrawal, payout, sources=told.sources, observed_at=told.observed_at, actor=actor
        )
        covered.append(withdrawal_id)
    return covered
