"""Sending a withdrawal: the attempt written down, Stripe asked under its key, and the answer written.

A process that dies at any line leaves a state from which the next one goes on: before the question it is
PROCESSING with a key that did nothing, and is begun once more; after it, with a key that nobody knows about,
which is UNCONFIRMED.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from domain import ledger, onboarding
from domain.gateway import Attempt, NotSendable, StripeTrouble, Transfer, ask, listed
from domain.gateway.amounts import to_stripe
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.errors import WalletFrozen
from domain.kernel.money import Money
from domain.kernel.operations import Actor, move
from domain.onboarding import ConnectAccount
from domain.runtime import Runtime
from domain.withdrawals import facts, postings, reads
from domain.withdrawals.documents import ASKED, Hindrance, Withdrawal, WithdrawalStatus
from domain.withdrawals.verdicts import FUNDS_SHORT, NotListed, Verdict, judge, looks_up_only

S = WithdrawalStatus
CLOCK_SLACK: Final = timedelta(minutes=5)
FUNDS_ALERT_AFTER: Final = timedelta(hours=24)


async def send(runtime: Runtime, withdrawal_id: str) -> None:
    """Make the transfer, or go on asking what became of it. Raises CircuitOpen: nothing was begun."""
    runtime.gateway.check_circuit()
    begun = await _begin(runtime, withdrawal_id)
    if begun is None or begun.attempt is None:
        return
    try:
        transfer = await _ask(runtime, begun)
    except StripeTrouble as trouble:
        await _conclude(runtime, begun, trouble)
        return
    if transfer is not None:
        await record(runtime, begun.id, transfer, actor=Actor.WORKER)


async def record(
    runtime: Runtime, withdrawal_id: str, transfer: Transfer, *, actor: Actor, reason: str | None = None
) -> Withdrawal:
    """Write that `transfer`, which is the withdrawal's, was made."""

    async def work(tx: Tx) -> Withdrawal:
        withdrawal = await reads.get(withdrawal_id, tx)
        return await facts.record_transfer(tx, withdrawal, transfer, actor=actor, reason=reason)

    return await runtime.database.transact(work)


async def find_transfer(runtime: Runtime, withdrawal: Withdrawal, attempt: Attempt) -> Transfer | None:
    """What Stripe lists for the question that was asked, if it lists it."""
    return await runtime.gateway.find_transfer(
        group=_group(withdrawal.id),
        # The account that was named then: another may have taken its place.
        destination=attempt.parameters(runtime.cipher)["destination"],
        key=attempt.key,
        since=attempt.made_at - CLOCK_SLACK,
        metadata={"withdrawal_id": withdrawal.id},
    )


async def _begin(runtime: Runtime, withdrawal_id: str) -> Withdrawal | None:
    """The withdrawal with the attempt that is to be sent, or asked about; None when it is not its time."""

    async def work(tx: Tx) -> Withdrawal | None:
        withdrawal = await reads.get(withdrawal_id, tx)
        if withdrawal.status in {S.PENDING, S.RETRYING}:
            return await _start(runtime, tx, withdrawal)
        if withdrawal.status not in ASKED or _is_leased(withdrawal, tx.now):
            return None
        cut_off = withdrawal.status is S.PROCESSING
        if cut_off and withdrawal.attempt is not None and not withdrawal.attempt.unknown:
            # Nobody has asked: its wallet may be frozen by now, or its account be another.
            return await _start(runtime, tx, withdrawal)
        status = S.UNCONFIRMED if cut_off else withdrawal.status
        changes = {"attempts_made": withdrawal.attempts_made + 1}
        reason = "whoever sent it was cut off"
        return await move(tx, withdrawal, status, actor=Actor.WORKER, reason=reason, changes=changes)

    return await runtime.database.transact(work)


async def _start(runtime: Runtime, tx: Tx, withdrawal: Withdrawal) -> Withdrawal | None:
    """PROCESSING, with its attempt; or why it cannot be sent now, and when it is looked at again."""
    account = await onboarding.live_account(withdrawal.owner, tx)
    if account is None or onboarding.blocker_of(account) is not None:
        if account is not None:
            # Or it is in order by now, has woken what waited, and this would wait unseen.
            await onboarding.guard_wait(tx, account.id)
        await _hinder(runtime, tx, withdrawal, Hindrance.ACCOUNT)
        return None
    try:
        await ledger.guard_send(tx, withdrawal.wallet)
    except WalletFrozen:
        await _hinder(runtime, tx, withdrawal, Hindrance.FREEZE)
        return None
    attempt, number = _attempt(runtime, withdrawal, account)
    changes: dict[str, Any] = {
        "attempt": attempt.model_dump(),
        "key_number": number,
        "account": account.stripe_id,
        "attempts_made": withdrawal.attempts_made + 1,
        # A worker that dies from here on is succeeded by the sweep.
        "next_attempt_at": tx.now + runtime.policy.lease,
    }
    return await move(tx, withdrawal, S.PROCESSING, actor=Actor.WORKER, changes=changes)


async def _hinder(runtime: Runtime, tx: Tx, withdrawal: Withdrawal, hindrance: Hindrance) -> None:
    """It waits, and is woken when what it waits for is known to have changed; looked at hourly at least."""
    changes: dict[str, Any] = {"next_attempt_at": tx.now + runtime.policy.recheck_max}
    if withdrawal.hindrance is hindrance and withdrawal.status is not S.PROCESSING:
        collection = Withdrawal.get_pymongo_collection()
        await collection.update_one({"_id": withdrawal.id}, {"$set": changes}, session=tx.session)
        return
    changes |= {"hindrance": hindrance.value, "hindered_since": tx.now, "expected_at": None, "alerted": False}
    status = S.RETRYING if withdrawal.status is S.PROCESSING else withdrawal.status
    await move(tx, withdrawal, status, actor=Actor.WORKER, reason=hindrance.value, changes=changes)


def _attempt(runtime: Runtime, withdrawal: Withdrawal, account: ConnectAccount) -> tuple[Attempt, int]:
    """The attempt that did nothing, once more; or, where that was decided, the next one. And its number."""
    now, earlier = runtime.now(), withdrawal.attempt
    if earlier is not None and withdrawal.account == account.stripe_id and earlier.may_be_sent(now):
        return earlier, withdrawal.key_number
    number = withdrawal.key_number + 1
    parameters = {
        "amount": to_stripe(Money(withdrawal.amount, withdrawal.currency)),
        "currency": withdrawal.currency.lower(),
        "destination": account.stripe_id,
        "transfer_group": _group(withdrawal.id),
        "metadata": {"withdrawal_id": withdrawal.id, "user_id": withdrawal.owner},
    }
    key = f"withdrawal:{withdrawal.id}:transfer:{number}"
    return Attempt.make(key, parameters, cipher=runtime.cipher, now=now), number


async def _ask(runtime: Runtime, withdrawal: Withdrawal) -> Transfer | None:
    """What Stripe made, or found; None when another worker is asking, or it was decided meanwhile."""
    only_look = looks_up_only(withdrawal, runtime.policy) or await _is_frozen(runtime, withdrawal)

    async def make(attempt: Attempt, lease_until: datetime) -> Transfer:
        if not only_look:
            return await runtime.gateway.create_transfer(attempt, lease_until=lease_until)
        if attempt.is_spent(runtime.now()):
            raise NotSendable(f"{attempt.key} is only looked up")
        found = await listed(find, attempt)
        if found is None:
            raise NotListed
        return found

    async def find(attempt: Attempt) -> Transfer | None:
        return await find_transfer(runtime, withdrawal, attempt)

    return await ask(
        Withdrawal.get_pymongo_collection(),
        withdrawal.id,
        criteria={"status": withdrawal.status.value, "attempt.key": _key(withdrawal)},
        send=make,
        find=find,
        check_circuit=runtime.gateway.check_circuit,
        now=runtime.now,
        lease=runtime.policy.lease,
        lookup_wait=runtime.policy.lookup_wait,
    )


async def _is_frozen(runtime: Runtime, withdrawal: Withdrawal) -> bool:
    """Of what may have been sent before: PROCESSING was guarded when it began."""
    if withdrawal.status is S.PROCESSING:
        return False

    async def work(tx: Tx) -> bool:
        try:
            await ledger.guard_send(tx, withdrawal.wallet)
        except WalletFrozen:
            return True
        return False

    return await runtime.database.transact(work)


async def _conclude(runtime: Runtime, begun: Withdrawal, trouble: StripeTrouble) -> None:
    """Write what follows of `trouble`, unless somebody has changed it, or begun to ask, meanwhile."""
    expected_at = await _funds_expected_at(runtime, begun, trouble)

    async def work(tx: Tx) -> None:
        withdrawal = await reads.get(begun.id, tx)
        attempt = withdrawal.attempt
        if withdrawal.version != begun.version or withdrawal.lease_until is not None or attempt is None:
            return
        verdict = judge(withdrawal, trouble, unknown=attempt.unknown, policy=runtime.policy)
        await _carry_out(tx, withdrawal, verdict, trouble, expected_at=expected_at)

    await runtime.database.transact(work)


async def _carry_out(
    tx: Tx, withdrawal: Withdrawal, verdict: Verdict, trouble: StripeTrouble, *, expected_at: datetime | None
) -> None:
    due = None if verdict.retry_in is None else tx.now + verdict.retry_in
    if due is not None and expected_at is not None:
        due = min(due, expected_at)
    changes: dict[str, Any] = {
        "retries": withdrawal.retries + verdict.counted,
        "next_attempt_at": due,
        "lease_until": None,
    }
    if verdict.decided:
        changes["attempt"] = None
    changes |= _hindered(tx, withdrawal, verdict.hindrance, expected_at)
    if verdict.failure is not None:
        await give_back(
            tx,
            withdrawal,
            S.FAILED,
            actor=Actor.WORKER,
            reason=trouble.code,
            changes=changes | {"failure": verdict.failure.model_dump()},
        )
        return
    if verdict.status is S.NEEDS_REVIEW and withdrawal.status is not S.NEEDS_REVIEW:
        tx.after_commit.append(partial(alert, "WITHDRAWAL_NEEDS_REVIEW", withdrawal=withdrawal.id))
    await move(tx, withdrawal, verdict.status, actor=Actor.WORKER, reason=trouble.code, changes=changes)


def _hindered(
    tx: Tx, withdrawal: Withdrawal, hindrance: Hindrance | None, expected_at: datetime | None
) -> dict[str, Any]:
    """What is waited for, and since when: a whole day without funds is worth an alert."""
    if hindrance is None:
        return {"hindrance": None, "hindered_since": None, "expected_at": None, "alerted": False}
    since = withdrawal.hindered_since if withdrawal.hindrance is hindrance else None
    overdue = since is not None and tx.now - since >= FUNDS_ALERT_AFTER and hindrance is Hindrance.FUNDS
    if overdue and not withdrawal.alerted:
        facts = {"withdrawal": withdrawal.id, "currency": withdrawal.currency, "amount": withdrawal.amount}
        tx.after_commit.append(partial(alert, "WITHDRAWAL_WAITS_FOR_FUNDS", **facts))
    return {
        "hindrance": hindrance.value,
        "hindered_since": since or tx.now,
        "expected_at": expected_at,
        "alerted": overdue,
    }


async def give_back(
    tx: Tx,
    withdrawal: Withdrawal,
    status: WithdrawalStatus,
    *,
    actor: Actor,
    reason: str | None,
    changes: dict[str, Any] | None = None,
) -> Withdrawal:
    """End it in `status`: what was held is available again."""
    await ledger.post(tx, postings.returned(withdrawal, actor=actor.value))
    cleared = {"attempt": None, "hindrance": None, "hindered_since": None, "expected_at": None}
    return await move(
        tx, withdrawal, status, actor=actor, reason=reason, changes={**(changes or {}), **cleared}
    )


def _key(withdrawal: Withdrawal) -> str | None:
    return None if withdrawal.attempt is None else withdrawal.attempt.key


def _is_leased(withdrawal: Withdrawal, now: datetime) -> bool:
    return withdrawal.lease_until is not None and withdrawal.lease_until > now


def _group(withdrawal_id: str) -> str:
    """Stripe's transfer_group, by which a transfer is found again."""
    return f"wd_{withdrawal_id}"


async def _funds_expected_at(
    runtime: Runtime, withdrawal: Withdrawal, trouble: StripeTrouble
) -> datetime | None:
    """When the platform's next money becomes available, where that is what is missing."""
    if trouble.code != FUNDS_SHORT:
        return None
    try:
        return await runtime.gateway.funds_expected_at(withdrawal.currency, after=runtime.now())
    except StripeTrouble:
        return None  # not worth a retry: it is tried every hour, and when Stripe says that money came
