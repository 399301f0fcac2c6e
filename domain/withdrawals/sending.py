"""Sending a withdrawal: a transfer to its owner's account, by the machinery that sends everything."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domain import ledger, onboarding
from domain import sending as machinery
from domain.gateway import Attempt, Transfer
from domain.gateway.amounts import to_stripe
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor, Failure, move
from domain.runtime import Runtime
from domain.sending import CLEARED, CLOCK_SLACK, Errand, Hindrance, Terms, attempt_for, hinder, is_startable
from domain.withdrawals import facts, postings, reads
from domain.withdrawals.documents import Withdrawal, WithdrawalStatus

S = WithdrawalStatus
# A 403 that is about the contractor's account, which has been taken from us, and not about our key.
ACCOUNT_GONE: Final = "account_invalid"
TERMS: Final = Terms(
    unreachable=Failure(
        code="provider_unavailable",
        message="The payment provider could not be reached, and nothing was sent. The money is back.",
    ),
    forbidden={
        ACCOUNT_GONE: Failure(
            code=ACCOUNT_GONE,
            message="The account for payouts cannot be reached any more. The money is back.",
        )
    },
)


async def send(runtime: Runtime, withdrawal_id: str) -> None:
    """Make the transfer, or go on asking what became of it. Raises CircuitOpen: nothing was begun."""
    await machinery.send(runtime, ERRAND, withdrawal_id)


async def record(runtime: Runtime, withdrawal_id: str, transfer: Transfer, *, actor: Actor) -> Withdrawal:
    """Write that `transfer`, which is the withdrawal's, was made."""

    async def work(tx: Tx) -> Withdrawal:
        withdrawal = await reads.get(withdrawal_id, tx)
        return await facts.record_transfer(tx, withdrawal, transfer, actor=actor)

    return await runtime.database.transact(work)


async def find_transfer(runtime: Runtime, withdrawal: Withdrawal, attempt: Attempt) -> Transfer | None:
    """What Stripe lists for the question that was asked, if it lists it."""
    return await runtime.gateway.find_transfer(
        group=_group(withdrawal.id),
        # The account that was named then: another may have taken its place.
        destination=attempt.parameters(runtime.cipher)["destination"],
        amount=Money(withdrawal.amount, withdrawal.currency),
        key=attempt.key,
        since=attempt.made_at - CLOCK_SLACK,
        metadata={"withdrawal_id": withdrawal.id},
    )


async def give_back(
    tx: Tx,
    withdrawal: Withdrawal,
    status: WithdrawalStatus,
    *,
    actor: Actor,
    by: str | None = None,
    reason: str | None,
    changes: Mapping[str, Any] | None = None,
) -> Withdrawal:
    """End it in `status`: what was held is available again."""
    await ledger.post(tx, postings.returned(withdrawal, actor=actor.value))
    changes = {**(changes or {}), **CLEARED}
    return await move(tx, withdrawal, status, actor=actor, by=by, reason=reason, changes=changes)


async def _start(runtime: Runtime, tx: Tx, withdrawal: Withdrawal) -> Withdrawal | None:
    """PROCESSING, with its attempt; or why it cannot be sent now, and when it is looked at again."""
    # Whoever mends the account, or unfreezes the wallet, wakes what waited.
    look_in = runtime.policy.recheck_max
    account = await onboarding.live_account(withdrawal.owner, tx)
    if account is None or onboarding.blocker_of(account) is not None:
        if account is not None:
            # Or it is in order by now, has woken what waited, and this would wait unseen.
            await onboarding.guard_wait(tx, account.id)
        await hinder(tx, withdrawal, Hindrance.ACCOUNT, look_in=look_in)
        return None
    if not await is_startable(tx, withdrawal, look_in=look_in):
        return None
    parameters = {
        "amount": to_stripe(Money(withdrawal.amount, withdrawal.currency)),
        "currency": withdrawal.currency.lower(),
        "destination": account.stripe_id,
        "transfer_group": _group(withdrawal.id),
        "metadata": {"withdrawal_id": withdrawal.id, "user_id": withdrawal.owner},
    }
    changes: dict[str, Any] = {
        **attempt_for(
            runtime,
            withdrawal,
            step=f"withdrawal:{withdrawal.id}:transfer",
            parameters=parameters,
            same=withdrawal.account == account.stripe_id,
        ),
        "account": account.stripe_id,
        # A worker that dies from here on is succeeded by the sweep.
        "next_attempt_at": tx.now + runtime.policy.lease,
    }
    return await move(tx, withdrawal, S.PROCESSING, actor=Actor.WORKER, changes=changes)


async def _create(runtime: Runtime, attempt: Attempt, lease_until: datetime) -> Transfer:
    return await runtime.gateway.create_transfer(attempt, lease_until=lease_until)


async def _record(runtime: Runtime, withdrawal_id: str, transfer: Transfer) -> Withdrawal:
    return await record(runtime, withdrawal_id, transfer, actor=Actor.WORKER)


async def _fail(tx: Tx, withdrawal: Withdrawal, reason: str, changes: Mapping[str, Any]) -> Withdrawal:
    return await give_back(tx, withdrawal, S.FAILED, actor=Actor.WORKER, reason=reason, changes=changes)


def _group(withdrawal_id: str) -> str:
    """Stripe's transfer_group, by which a transfer is found again."""
    return f"wd_{withdrawal_id}"


ERRAND: Final = Errand(
    noun="withdrawal",
    needs_review="WITHDRAWAL_NEEDS_REVIEW",
    waits_for_funds="WITHDRAWAL_WAITS_FOR_FUNDS",
    model=Withdrawal,
    terms=TERMS,
    start=_start,
    create=_create,
    find=find_transfer,
    record=_record,
    give_back=_fail,
)
