"""What comes next: what each operation waits for, what is owed, and what Stripe's balance is to show."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain import adjustments, deposits, disputes, escrow, onboarding, refunds, withdrawals
from domain.adjustments import Adjustment
from domain.deposits import Deposit
from domain.disputes import Dispute
from domain.escrow import Escrow
from domain.kernel.money import Money
from domain.kernel.operations import Blocker
from domain.ledger import FreezeCause, Wallet
from domain.onboarding import ConnectAccount
from domain.refunds import Refund
from domain.trail.nouns import AnyOperation
from domain.trail.steps import Step, StepKind
from domain.treasury import Movement
from domain.withdrawals import Withdrawal

_WAITS_FOR_WALLET: Final = (Adjustment, Escrow, Refund, Withdrawal)


@dataclass(frozen=True)
class Expectation:
    """`until`: when it comes, or ends, where that is known. `party`: of whom; None for the platform."""

    code: str
    message: str
    until: datetime | None = None
    party: str | None = None
    operation: str | None = None
    amount: Money | None = None


@dataclass(frozen=True)
class Present:
    """Things as they are now: accounts by owner. `everything`: for administrators."""

    now: datetime
    everything: bool
    wallets: Mapping[str, Wallet]
    accounts: Mapping[str, ConnectAccount]

    def waiting(self, document: AnyOperation) -> Blocker | None:
        """What the operation says that it waits for."""
        match document:
            case Deposit():
                return deposits.waiting_for(document)
            case Escrow():
                wallet = self.wallets.get(document.wallet)
                frozen = document.is_running and wallet is not None and wallet.frozen
                return escrow.waiting_for(document, frozen=frozen, now=self.now)
            case Dispute():
                return disputes.waiting_for(document, tells_when=self.everything)
            case Withdrawal() | Refund() | Adjustment():
                return self._held_up(document, self.wallets.get(document.wallet))
            case _:
                return None

    def _held_up(self, document: Withdrawal | Refund | Adjustment, wallet: Wallet | None) -> Blocker | None:
        """By its wallet, among others."""
        match document:
            case Withdrawal():
                account = self.accounts.get(document.owner)
                return withdrawals.waiting_for(document, account=account, wallet=wallet)
            case Refund():
                return refunds.waiting_for(document, wallet=wallet)
            case Adjustment():
                return None if wallet is None else adjustments.waiting_for(document, wallet, at=self.now)


async def accounts_for(documents: Mapping[str, AnyOperation]) -> dict[str, ConnectAccount]:
    """Of those whose withdrawals wait."""
    waiting = (one for one in documents.values() if isinstance(one, Withdrawal) and one.hindrance is not None)
    owners = sorted({withdrawal.owner for withdrawal in waiting})
    return await onboarding.live_accounts(owners) if owners else {}


def wallets_for(documents: Mapping[str, AnyOperation]) -> set[str]:
    """The wallets whose freezes matter to what waits."""
    return {one.wallet for one in documents.values() if isinstance(one, _WAITS_FOR_WALLET)}


def of_operations(documents: Mapping[str, AnyOperation], present: Present) -> Iterator[Expectation]:
    for document in sorted(documents.values(), key=lambda document: document.created_at):
        blocker = present.waiting(document)
        if blocker is not None:
            yield Expectation(
                code=blocker.code,
                message=blocker.message,
                until=blocker.until,
                party=document.owner,
                operation=document.id,
            )


def of_wallet(wallet: Wallet) -> Iterator[Expectation]:
    """More left it than ever came in: what comes next pays that first."""
    if wallet.available < 0:
        causes = (freeze.operation for freeze in wallet.freezes if freeze.cause is FreezeCause.DEBT)
        yield Expectation(
            code="DEBT",
            message="More was taken from this wallet than was in it: what comes in next pays that.",
            party=wallet.owner,
            operation=next(causes, None),
            amount=Money(-wallet.available, wallet.currency),
        )


def of_charge(step: Step, movements: Mapping[str, Movement]) -> Iterator[Expectation]:
    """Credited on Stripe's word; the money itself comes later."""
    if step.kind is StepKind.CARD_CHARGED and step.entry is not None and step.entry.ref not in movements:
        yield Expectation(
            code="SETTLEMENT",
            message="The payment does not show in Stripe's balance yet, as far as that was read.",
            operation=step.operation,
            amount=step.amount,
        )
