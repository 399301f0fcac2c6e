"""Asking for a withdrawal, and taking that back: what is reserved and what is written are one transaction."""

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from domain import ledger, onboarding
from domain.gateway.amounts import payable_step
from domain.kernel.budget import Budget
from domain.kernel.database import Tx, parse
from domain.kernel.doorbell import DoorbellSilent
from domain.kernel.errors import (
    ConnectAccountNotReady,
    ConnectAccountRequired,
    DomainError,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    WalletFrozen,
)
from domain.kernel.ids import new_id
from domain.kernel.money import CURRENCIES, Money
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with
from domain.kernel.reasons import checked_reason
from domain.ledger import Wallet
from domain.runtime import Runtime
from domain.withdrawals import postings, reads
from domain.withdrawals.documents import CANCELABLE, Withdrawal, WithdrawalStatus
from domain.withdrawals.sending import give_back

S = WithdrawalStatus
SEND: Final = "send_withdrawal"
"""The job that the bell rings for: `go_on`, with the withdrawal's id as its subject."""


@dataclass(frozen=True)
class RequestWithdrawal:
    """`amount`: minor units of `currency`. `idempotency_key`: the caller's, one per intention."""

    amount: int
    currency: str
    idempotency_key: str


@dataclass(frozen=True)
class Requested:
    withdrawal: Withdrawal
    replayed: bool


async def request(runtime: Runtime, owner: str, command: RequestWithdrawal, *, budget: Budget) -> Requested:
    """Reserve the money and write the withdrawal; the same key answers with it as it is now.

    Raises InvalidInput, IdempotencyKeyReused, ConnectAccountRequired, ConnectAccountNotReady, WalletFrozen,
    InsufficientFunds, RateLimited: nothing is written then.
    """
    key = IdempotencyKey.of(
        actor=owner,
        mutation="requestWithdrawal",
        key=command.idempotency_key,
        fields={"amount": command.amount, "currency": command.currency},
    )
    first = await first_with(Withdrawal, key)
    if first is not None:
        return Requested(first, replayed=True)
    try:
        wallet = await _reservable(runtime, owner, command)
    except DomainError:
        # A copy may have come first, and what is missing now be what it reserved.
        first = await first_with(Withdrawal, key)
        if first is None:
            raise
        return Requested(first, replayed=True)
    await budget.spend(owner, member=key.member)
    requested = await _write(runtime, command, key, wallet)
    if requested.withdrawal.status is S.PENDING:
        await ring(runtime, requested.withdrawal.id)
    return requested


async def cancel(runtime: Runtime, owner: str, withdrawal_id: str, *, reason: str | None) -> Withdrawal:
    """Give the money back, if nothing was sent; again is no change. Raises NotFound, InvalidState."""
    reason = checked_reason(reason)

    async def work(tx: Tx) -> Withdrawal:
        withdrawal = await reads.find(withdrawal_id, tx)
        if withdrawal is None or withdrawal.owner != owner:
            raise NotFound("There is no such withdrawal.", path=["id"])
        if withdrawal.status is S.CANCELED:
            return withdrawal
        if withdrawal.status not in CANCELABLE:
            raise InvalidState("It is on its way, or over: it cannot be canceled any more.", path=["id"])
        return await give_back(tx, withdrawal, S.CANCELED, actor=Actor.OWNER, reason=reason)

    return await runtime.database.transact(work)


async def cancel_unsent(tx: Tx, owner: str, wallet: str, *, actor: Actor, reason: str) -> list[Withdrawal]:
    """Give back what is reserved for withdrawals of the wallet of which nothing was sent. Those it canceled.

    The wallet is frozen in the same transaction: what is about to be sent meets that, see `guard_send`.
    """
    criteria = {
        "owner": owner,
        "status": {"$in": sorted(status.value for status in CANCELABLE)},
        "wallet": wallet,
    }
    rows = await Withdrawal.get_pymongo_collection().find(criteria, session=tx.session).to_list()
    unsent = [parse(Withdrawal, row) for row in rows]
    return [await give_back(tx, withdrawal, S.CANCELED, actor=actor, reason=reason) for withdrawal in unsent]


async def ring(runtime: Runtime, withdrawal_id: str) -> None:
    """Have it sent now. Where the bell is silent, the sweep finds it."""
    with contextlib.suppress(DoorbellSilent):
        await runtime.doorbell.ring(SEND, withdrawal_id)


def check_amount(runtime: Runtime, amount: int, currency: str) -> None:
    """Raises InvalidInput: not taken, below the minimum, above the maximum, or not payable to a bank."""
    policy = runtime.policy
    if policy.currency(currency) is None:
        taken = ", ".join(policy.currencies)
        raise InvalidInput(f"This currency is not taken. Taken are: {taken}.", path=["currency"])
    least, most = policy.withdrawal_bounds(currency)
    if not least <= amount <= most:
        raise InvalidInput(f"A withdrawal in {currency} is {least} to {most} minor units.", path=["amount"])
    step = payable_step(CURRENCIES[currency])
    if amount % step:
        raise InvalidInput(f"Banks are paid {currency} in steps of {step} minor units.", path=["amount"])


def check_funds(wallet: Wallet, amount: int) -> None:
    """Raises InsufficientFunds."""
    if wallet.available < amount:
        raise InsufficientFunds(
            available=Money(wallet.available, wallet.currency), required=Money(amount, wallet.currency)
        )


async def _reservable(runtime: Runtime, owner: str, command: RequestWithdrawal) -> Wallet:
    """The wallet, which has that much to reserve now. Judged as the reserving does, but it costs nothing."""
    check_amount(runtime, command.amount, command.currency)
    await _check_account(owner)
    wallet = await ledger.open_wallet(owner, command.currency)
    if wallet.frozen:
        raise WalletFrozen("Nothing may leave this wallet for now: " + wallet.freezes[0].reason)
    check_funds(wallet, command.amount)
    return wallet


async def _check_account(owner: str) -> None:
    account = await onboarding.live_account(owner)
    blocker = onboarding.blocker_of(account)
    if account is None:
        raise ConnectAccountRequired("Set up an account for payouts first.")
    if blocker is not None:
        raise ConnectAccountNotReady(blocker.message)


async def _write(
    runtime: Runtime, command: RequestWithdrawal, key: IdempotencyKey, wallet: Wallet
) -> Requested:
    async def work(tx: Tx) -> Requested:
        first = await first_with(Withdrawal, key, tx)
        if first is not None:
            return Requested(first, replayed=True)
        since = tx.now - reads.APPROVAL_WINDOW
        earlier = await reads.asked_for_since(tx, wallet.owner, wallet.currency, since)
        unapproved_max = runtime.policy.withdrawal_approval_above.of(wallet.currency)
        status = S.AWAITING_APPROVAL if earlier + command.amount > unapproved_max else S.PENDING
        withdrawal = _new(tx, command, key, wallet, status)
        # Reserving writes the wallet: two requests that race see each other's amounts.
        await ledger.post(tx, postings.reserved(withdrawal, actor=Actor.OWNER.value))
        await withdrawal.insert(session=tx.session)
        return Requested(withdrawal, replayed=False)

    return await runtime.database.transact(work)


def _new(
    tx: Tx, command: RequestWithdrawal, key: IdempotencyKey, wallet: Wallet, status: WithdrawalStatus
) -> Withdrawal:
    fields: dict[str, Any] = {"created_at": tx.now, "updated_at": tx.now}
    return Withdrawal(
        id=new_id("wdr", at=tx.now),
        owner=wallet.owner,
        wallet=wallet.id,
        amount=command.amount,
        currency=command.currency,
        status=status,
        history=[StatusChange(status=status, at=tx.now, actor=Actor.OWNER)],
        idempotency=key,
        next_attempt_at=tx.now if status is S.PENDING else None,
        **fields,
    )
