"""Stripe's events about accounts, of both endpoints: a hint which account to read.

One of them is more, for what it says cannot be read any more: account.application.deauthorized.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import gateway, inbox
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.kernel.operations import Actor
from domain.onboarding import facts, reads
from domain.onboarding.documents import ConnectAccount, ConnectAccountStatus
from domain.runtime import Runtime


@dataclass(frozen=True)
class AccountFact:
    """`stripe_id` is None for an event about no connected account; `told`, where nothing could be read.

    `deauthorized`: its owner has shut us out.
    """

    stripe_id: str | None
    told: gateway.Account | None
    observed_at: datetime
    deauthorized: bool = False


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> AccountFact:
    """The account as it is: events come late, twice and out of order."""
    observed_at = runtime.now()
    stripe_id = _account_in(payload)
    if stripe_id is None or await _is_disconnected(stripe_id):
        # What shut us out answers 403, which says nothing new of it.
        return AccountFact(stripe_id, None, observed_at)
    return AccountFact(stripe_id, await runtime.gateway.account(stripe_id), observed_at)


async def gather_deauthorization(runtime: Runtime, payload: Mapping[str, Any]) -> AccountFact:
    """Nothing is asked: the object is the application, and the account is closed to us."""
    return AccountFact(payload.get("account"), None, runtime.now(), deauthorized=True)


async def apply(tx: Tx, runtime: Runtime, event: WebhookEvent, fact: AccountFact) -> Handled:
    """Write the fact to its account. Answers whose it is: what that person waits for may have come."""
    account = await _find(tx, fact)
    if account is None:
        return await _not_found(tx, event, fact)
    if fact.deauthorized:
        await facts.disconnect(tx, account, observed_at=fact.observed_at, actor=Actor.WEBHOOK)
    elif fact.told is not None:
        await facts.record(
            tx,
            account,
            fact.told,
            observed_at=fact.observed_at,
            actor=Actor.WEBHOOK,
            recheck=runtime.policy.recheck,
        )
    return Handled(account.owner)


async def _find(tx: Tx, fact: AccountFact) -> ConnectAccount | None:
    if fact.told is not None:
        return await facts.find_for(tx, fact.told)
    return None if fact.stripe_id is None else await reads.find_by_stripe_id(fact.stripe_id, tx)


async def _not_found(tx: Tx, event: WebhookEvent, fact: AccountFact) -> Handled:
    if fact.told is None or "connect_account_id" not in fact.told.metadata:
        # Another system may keep its own accounts on this platform.
        return Handled("not ours")
    # It says that it is ours, and we either do not know it or have another in its place.
    return await inbox.record_unmatched(tx, event)


async def _is_disconnected(stripe_id: str) -> bool:
    account = await reads.find_by_stripe_id(stripe_id)
    return account is not None and account.status is ConnectAccountStatus.DISCONNECTED


def _account_in(payload: Mapping[str, Any]) -> str | None:
    """The Connect endpoint's events name their account; of the platform's, only the object can."""
    told = payload["data"]["object"]
    own = told.get("id") if told["object"] == "account" else told.get("account")
    account: str | None = payload.get("account") or own
    return account
