"""The account at Stripe behind ours: asked for once, under a stored key."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any, Final

from domain import gateway, identity
from domain.gateway import Attempt, KeySpent, Refused, ask
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, Failure, move
from domain.onboarding import facts, reads
from domain.onboarding.documents import ConnectAccount, ConnectAccountStatus
from domain.runtime import Runtime

POLL_S: Final = 0.05
CLOCK_SLACK: Final = timedelta(minutes=5)
# What Stripe once sold as an Express account: it asks its owner for what it must know and shows them a small
# dashboard; the platform pays the fees and bears the losses.
CONTROLLER: Final = {
    "fees": {"payer": "application"},
    "losses": {"payments": "application"},
    "requirement_collection": "stripe",
    "stripe_dashboard": {"type": "express"},
}


async def attempt(runtime: Runtime, account_id: str, *, owner: str, country: str, number: int = 1) -> Attempt:
    """The question to Stripe, as it is stored before it is asked; `number` counts its keys."""
    user = await identity.get(owner)
    parameters: dict[str, Any] = {
        "controller": CONTROLLER,
        "country": country,
        "email": identity.email_of(runtime, user),
        "capabilities": {name: {"requested": True} for name in runtime.policy.connect_capabilities},
        "metadata": {"user_id": owner, "connect_account_id": account_id},
    }
    key = f"connect_account:{account_id}:create:{number}"
    return Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())


async def ensure(runtime: Runtime, account: ConnectAccount) -> ConnectAccount:
    """The account as Stripe has made it, or refused to. Raises StripeTrouble: it goes on at the next call."""
    while account.is_unanswered:
        answered = await _ask(runtime, account)
        if answered is not None:
            return answered
        # A racing call is asking: its answer is ours.
        await asyncio.sleep(random.uniform(POLL_S, 2 * POLL_S))  # noqa: S311 - jitter, not a secret
        account = await reads.get(account.id)
    return account


async def _ask(runtime: Runtime, account: ConnectAccount) -> ConnectAccount | None:
    """The account with Stripe's answer stored; None when somebody else is asking."""

    async def send(attempt: Attempt, lease_until: datetime) -> gateway.Account:
        return await runtime.gateway.create_account(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> gateway.Account | None:
        return await runtime.gateway.find_account(
            since=attempt.made_at - CLOCK_SLACK, metadata={"connect_account_id": account.id}
        )

    try:
        told = await ask(
            ConnectAccount.get_pymongo_collection(),
            account.id,
            answer_field="stripe_id",
            # It may have ended since it was read: then it is read again.
            criteria={"live": True},
            send=send,
            find=find,
            check_circuit=runtime.gateway.check_circuit,
            now=runtime.now,
            lease=runtime.policy.lease,
            lookup_wait=runtime.policy.lookup_wait,
        )
    except Refused as refused:
        return await _refuse(runtime, account, refused)
    except KeySpent:
        await _number_anew(runtime, account)
        raise
    return None if told is None else await _made(runtime, account, told)


async def _made(runtime: Runtime, account: ConnectAccount, told: gateway.Account) -> ConnectAccount:
    async def work(tx: Tx) -> ConnectAccount:
        return await facts.record(
            tx,
            await reads.get(account.id, tx),
            told,
            # A replayed answer is as old as the first: whatever was read since is newer.
            observed_at=account.attempt.made_at,
            actor=Actor.WORKER,
            recheck=runtime.policy.recheck,
        )

    return await runtime.database.transact(work)


async def _number_anew(runtime: Runtime, account: ConnectAccount) -> None:
    """There certainly is no account, and this key never makes one: whoever asks next takes the next key."""
    number = int(account.attempt.key.rpartition(":")[2]) + 1
    following = await attempt(
        runtime, account.id, owner=account.owner, country=account.country, number=number
    )
    await ConnectAccount.get_pymongo_collection().update_one(
        {"_id": account.id, "attempt.key": account.attempt.key},
        {"$set": {"attempt": following.model_dump()}},
    )


async def _refuse(runtime: Runtime, account: ConnectAccount, refused: Refused) -> ConnectAccount:
    """Stripe will have no such account, and has none: it is over before it began."""
    failure = Failure(code=refused.code, message=refused.message)

    async def work(tx: Tx) -> ConnectAccount:
        current = await reads.get(account.id, tx)
        if not current.is_unanswered:
            return current  # Stripe spoke of it meanwhile
        return await move(
            tx,
            current,
            ConnectAccountStatus.REJECTED,
            actor=Actor.WORKER,
            reason=refused.code,
            changes={"live": False, "failure": failure.model_dump()},
        )

    return await runtime.database.transact(work)
