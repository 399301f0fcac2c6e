"""What the sweep does with an account that is due: what was cut off goes on, lost events are made up."""

from datetime import datetime, timedelta
from typing import Final

from domain.gateway import StripeTrouble
from domain.kernel.database import parse
from domain.kernel.due import claim_due
from domain.onboarding import service
from domain.onboarding.documents import ConnectAccount
from domain.runtime import Runtime

# Stripe may ask for more, or close it, any day; and events do get lost.
RECHECK_MAX: Final = timedelta(days=1)
# Far beyond RECHECK_MAX, and far below where a timedelta overflows.
DOUBLINGS_MAX: Final = 20


async def claim_next(runtime: Runtime) -> ConnectAccount | None:
    """The account that is due longest, leased to the caller."""
    row = await claim_due(
        ConnectAccount.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease
    )
    return None if row is None else parse(ConnectAccount, row)


async def look_again(runtime: Runtime, account: ConnectAccount) -> None:
    """Go on making it, or read how it is now."""
    await _schedule(runtime, account)
    try:
        await service.refresh(runtime, account)
    except StripeTrouble as trouble:
        # Logged and counted by the gateway; due again by its schedule, or when the trouble says.
        if trouble.retry_after is not None:
            await _postpone(account, runtime.now() + trouble.retry_after)


async def _schedule(runtime: Runtime, account: ConnectAccount) -> None:
    """Due again: one recheck after its state changed, then ever more rarely, for most stay as they are."""
    policy = runtime.policy
    most = policy.recheck_max if account.is_unanswered else RECHECK_MAX
    due = runtime.now() + min(policy.recheck * 2 ** min(account.attempts_made, DOUBLINGS_MAX), most)
    await ConnectAccount.get_pymongo_collection().update_one(
        {"_id": account.id, "next_attempt_at": account.next_attempt_at},
        {"$set": {"next_attempt_at": due}, "$inc": {"attempts_made": 1}},
    )


async def _postpone(account: ConnectAccount, until: datetime) -> None:
    """Due at `until`, as if this look had not been: unless it is over meanwhile."""
    await ConnectAccount.get_pymongo_collection().update_one(
        {"_id": account.id, "next_attempt_at": {"$type": "date"}},
        {"$set": {"next_attempt_at": until, "attempts_made": account.attempts_made}},
    )
