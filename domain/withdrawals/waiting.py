"""Why is my money not moving? What a withdrawal waits for, and what a wish for one would."""

from datetime import timedelta
from typing import Final

from domain import onboarding
from domain.kernel.budget import Budget
from domain.kernel.errors import DomainError
from domain.kernel.operations import Blocker
from domain.ledger import Wallet
from domain.onboarding import ConnectAccount
from domain.runtime import Runtime
from domain.sending import Hindrance
from domain.withdrawals import reads, service
from domain.withdrawals.documents import Withdrawal, WithdrawalStatus

S = WithdrawalStatus
_APPROVAL: Final = Blocker("APPROVAL", "An administrator must approve it.")
_FREEZE: Final = "WALLET_FROZEN"
_FUNDS: Final = "FUNDS_AVAILABLE"


def waiting_for(
    withdrawal: Withdrawal, *, account: ConnectAccount | None, wallet: Wallet | None
) -> Blocker | None:
    """What the withdrawal waits for; None when it is over, or moves this very moment.

    `account`, `wallet`: its owner's as they are now, of which only what its `hindrance` names is looked at.
    """
    match withdrawal.status:
        case S.AWAITING_APPROVAL:
            return _APPROVAL
        case S.PENDING | S.RETRYING:
            return _before_sending(withdrawal, account, wallet)
        case S.UNCONFIRMED:
            message = "Whether the transfer was made is not known yet; we keep asking the payment provider."
            return Blocker("CONFIRMATION", message, withdrawal.next_attempt_at)
        case S.NEEDS_REVIEW:
            return Blocker("REVIEW", "An administrator finds out whether the transfer was made.")
        case S.IN_TRANSIT | S.PAYOUT_FAILED:
            return _on_its_way(withdrawal)
        case _:
            return None


async def blockers(runtime: Runtime, wallet: Wallet, amount: int, *, budget: Budget) -> list[Blocker]:
    """Why a withdrawal of `amount` would be refused or wait now; empty when it would go."""
    account = await onboarding.live_account(wallet.owner)
    found = [
        _amount_blocker(runtime, wallet, amount),
        *(_freeze_blocker(freeze.reason) for freeze in wallet.freezes),
        onboarding.blocker_of(account),
        await _limit_blocker(runtime, wallet.owner, budget),
        await _approval_blocker(runtime, wallet, amount),
        await _funds_blocker(wallet.currency),
    ]
    return [blocker for blocker in found if blocker is not None]


def _before_sending(withdrawal: Withdrawal, account: ConnectAccount | None, wallet: Wallet | None) -> Blocker:
    until = withdrawal.next_attempt_at
    sending = Blocker("SENDING", "It is about to be sent.", until)
    match withdrawal.hindrance:
        case Hindrance.FUNDS:
            message = "The platform's balance does not cover it yet."
            return Blocker(_FUNDS, message, withdrawal.expected_at or until)
        # Once that is over it has been woken: for the sweep, which comes within a minute.
        case Hindrance.ACCOUNT:
            return onboarding.blocker_of(account) or sending
        case Hindrance.FREEZE:
            freezes = () if wallet is None else wallet.freezes
            return _freeze_blocker(freezes[0].reason) if freezes else sending
        case None if withdrawal.status is S.RETRYING:
            return Blocker("RETRY", "The payment provider could not take it; it is tried again.", until)
        case _:  # a moment, or for as long as nobody can send it
            return sending


def _on_its_way(withdrawal: Withdrawal) -> Blocker:
    payout = withdrawal.payout
    if withdrawal.status is S.PAYOUT_FAILED:
        refused = withdrawal.failure.message if withdrawal.failure else "The bank did not take the payout."
        return Blocker(
            "PAYOUT_FAILED",
            f"{refused} The money waits in the Stripe account until the bank account there is mended.",
        )
    if withdrawal.alerted:
        return Blocker(
            "PAYOUT_NOT_LINKED", "It reached the Stripe account; no payout to the bank is known to cover it."
        )
    arrives_at = None if payout is None else payout.arrives_at
    return Blocker("BANK", "It is on its way to the bank.", arrives_at)


def _amount_blocker(runtime: Runtime, wallet: Wallet, amount: int) -> Blocker | None:
    try:
        service.check_amount(runtime, amount, wallet.currency)
        service.check_funds(wallet, amount)
    except DomainError as error:
        return Blocker(error.code.value, error.message)
    return None


def _freeze_blocker(reason: str) -> Blocker:
    return Blocker(_FREEZE, "Nothing may leave this wallet for now: " + reason)


async def _limit_blocker(runtime: Runtime, owner: str, budget: Budget) -> Blocker | None:
    limited = await budget.room(owner)
    if limited is None:
        return None
    until = runtime.now() + timedelta(seconds=limited.retry_after_s)
    return Blocker(limited.code.value, limited.message, until)


async def _approval_blocker(runtime: Runtime, wallet: Wallet, amount: int) -> Blocker | None:
    since = runtime.now() - reads.APPROVAL_WINDOW
    earlier = await reads.asked_for_since(None, wallet.owner, wallet.currency, since)
    above = runtime.policy.withdrawal_approval_above.of(wallet.currency)
    return _APPROVAL if earlier + amount > above else None


async def _funds_blocker(currency: str) -> Blocker | None:
    waiting = await reads.waits_for_funds(currency)
    if waiting is None:
        return None
    until = waiting.expected_at or waiting.next_attempt_at
    return Blocker(_FUNDS, "The platform's balance does not cover withdrawals now.", until)
