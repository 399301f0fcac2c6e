"""What Stripe said of an account, written down: the only place where its state is derived."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pymongo import ReturnDocument

from domain import gateway
from domain.kernel.alerts import alert
from domain.kernel.database import Tx, parse
from domain.kernel.operations import Actor, move
from domain.onboarding import reads
from domain.onboarding.documents import OVER, ConnectAccount, ConnectAccountStatus
from domain.onboarding.status import status_of, withdrawals_enabled


async def find_for(tx: Tx, told: gateway.Account) -> ConnectAccount | None:
    """Ours that `told` is; by our id in its metadata, where an event outruns our own answer."""
    account = await reads.find_by_stripe_id(told.id, tx)
    account_id = told.metadata.get("connect_account_id")
    if account is not None or account_id is None:
        return account
    named = await reads.find(account_id, tx)
    return named if named is not None and named.stripe_id is None else None


async def record(
    tx: Tx,
    account: ConnectAccount,
    told: gateway.Account,
    *,
    observed_at: datetime,
    actor: Actor,
    recheck: timedelta,
) -> ConnectAccount:
    """Write what Stripe says of `account`. The same again, or an older answer, changes nothing.

    A change of its state makes it due for another look after `recheck`.
    """
    stale = account.observed_at is not None and observed_at < account.observed_at
    if stale or account.status is ConnectAccountStatus.DISCONNECTED:
        return account
    status = status_of(told)
    revived = account.is_settled and status not in OVER
    if revived and await reads.live_account(account.owner, tx) is not None:
        # Its owner has another by now, and money goes to one place.
        tx.after_commit.append(partial(alert, "CONNECT_ACCOUNT_REVIVED", account=account.id))
        return account
    seen = _seen(told, status)
    if status is account.status and account.model_dump(include=set(seen)) == seen:
        return await _note(tx, account, observed_at)
    due = {"next_attempt_at": tx.now + recheck, "attempts_made": 0}
    moves = status is not account.status and status not in OVER
    return await move(
        tx,
        account,
        status,
        actor=actor,
        reason=told.requirements.disabled_reason,
        changes={**seen, **(due if moves else {}), "observed_at": observed_at},
    )


async def disconnect(
    tx: Tx, account: ConnectAccount, *, observed_at: datetime, actor: Actor
) -> ConnectAccount:
    """We are let in no more, for ever: no money may leave to it."""
    if account.status is ConnectAccountStatus.DISCONNECTED:
        return account
    gone = {"live": False, "withdrawals_enabled": False, "payouts_enabled": False, "observed_at": observed_at}
    return await move(tx, account, ConnectAccountStatus.DISCONNECTED, actor=actor, changes=gone)


async def guard_wait(tx: Tx, account_id: str) -> None:
    """Say that something begins to wait for this account to change: whoever changes it now has seen that."""
    await ConnectAccount.get_pymongo_collection().update_one(
        {"_id": account_id}, {"$inc": {"guard": 1}}, session=tx.session
    )


def _seen(told: gateway.Account, status: ConnectAccountStatus) -> dict[str, Any]:
    """The account's fields as `told` shows them."""
    now, future = told.requirements, told.future_requirements
    return {
        "stripe_id": told.id,
        "country": told.country,
        "live": status not in OVER,
        "withdrawals_enabled": withdrawals_enabled(told),
        "payouts_enabled": told.payouts_enabled,
        "details_submitted": told.details_submitted,
        "requirements_due": list(now.due),
        "requirement_errors": [
            {"requirement": error.requirement, "code": error.code, "reason": error.reason}
            for error in now.errors
        ],
        "future_requirements_due": list(future.due),
        "requirements_deadline": now.deadline or future.deadline,
        "disabled_reason": now.disabled_reason,
    }


async def _note(tx: Tx, account: ConnectAccount, observed_at: datetime) -> ConnectAccount:
    """Nothing has changed: but an answer from in between must not be written any more."""
    row = await ConnectAccount.get_pymongo_collection().find_one_and_update(
        {"_id": account.id},
        {"$set": {"observed_at": observed_at}},
        return_document=ReturnDocument.AFTER,
        session=tx.session,
    )
    return account if row is None else parse(ConnectAccount, row)
