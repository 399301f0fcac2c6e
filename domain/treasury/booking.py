"""A movement's mark, and what it does to the platform's accounts: written together, once."""

from functools import partial
from typing import Final

from domain import inbox, ledger
from domain.gateway import BalanceTransaction
from domain.inbox import FindingKind
from domain.kernel.alerts import alert
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.ledger import Account, NewEntry, Platform, PlatformKind, Posting
from domain.treasury.documents import Movement, Outcome
from domain.treasury.explaining import Explanation, Matched, Own, Unexplained

_STRIPE: Final = Account.platform(Platform.STRIPE)
_KINDS: Final = {
    Platform.BANK: PlatformKind.BANK,
    Platform.STRIPE_FEES: PlatformKind.STRIPE_FEE,
    Platform.UNEXPLAINED: PlatformKind.UNEXPLAINED,
}
_OUTCOMES: Final = {Matched: Outcome.MATCHED, Own: Outcome.BOOKED, Unexplained: Outcome.UNEXPLAINED}


async def book(tx: Tx, transaction: BalanceTransaction, explanation: Explanation) -> None:
    """Mark `transaction` as read, with all that follows from it. Once: another reader may have been first."""
    movements = Movement.get_pymongo_collection()
    if await movements.find_one({"_id": transaction.id}, {"_id": 1}, session=tx.session):
        return
    if isinstance(explanation, Matched) and await movements.find_one(
        {"entry": explanation.entry}, {"_id": 1}, session=tx.session
    ):
        # One credit is of one charge: a second is somebody else's.
        explanation = Unexplained(transaction.source or transaction.id)
    for entry in entries_of(transaction, explanation):
        await ledger.post(tx, entry)
    movement = _mark(tx, transaction, explanation)
    await movement.insert(session=tx.session)
    if isinstance(explanation, Unexplained):
        await _report(tx, movement, FindingKind.UNEXPLAINED)
    elif isinstance(explanation, Matched) and explanation.posted != transaction.amount:
        await _report(tx, movement, FindingKind.SETTLED_OTHERWISE)


def entries_of(transaction: BalanceTransaction, explanation: Explanation) -> list[NewEntry]:
    """What the treasury itself books for `transaction`: its fee, and the amount unless an operation has."""
    cost = _negative(transaction.fee)
    match explanation:
        case Own(Platform.STRIPE_FEES):
            moves = []
            cost = transaction.net
        case Own(account):
            moves = [("amount", account, transaction.amount)]
        case Unexplained():
            moves = [("amount", Platform.UNEXPLAINED, transaction.amount)]
        case Matched(posted=posted) if posted != transaction.amount:
            # The books say what Stripe holds: not what was received, but what it became there.
            moves = [
                ("exchanged", Platform.UNEXPLAINED, _negative(posted)),
                ("amount", Platform.UNEXPLAINED, transaction.amount),
            ]
        case Matched():
            moves = []
    moves.append(("fee", Platform.STRIPE_FEES, cost))
    return [
        _entry(transaction, explanation, step=step, account=account, came=came)
        for step, account, came in moves
        if came.amount
    ]


def _entry(
    transaction: BalanceTransaction, explanation: Explanation, *, step: str, account: Platform, came: Money
) -> NewEntry:
    """`came`: what came to Stripe and belongs to `account`; negative, what left."""
    source, destination = _STRIPE, Account.platform(account)
    if came.amount < 0:
        source, destination = destination, source
    return NewEntry(
        ref=f"stripe:{transaction.id}:{step}",
        kind=_KINDS[account],
        currency=came.currency,
        postings=[Posting(source, destination, abs(came.amount))],
        operation=operation_of(transaction, explanation),
        actor=Actor.WORKER.value,
    )


def operation_of(transaction: BalanceTransaction, explanation: Explanation) -> str:
    """What the entries are booked under: an operation of ours, else an id of Stripe's."""
    match explanation:
        case Matched(operation=operation):
            return operation
        case Unexplained(subject=subject):
            return subject
        case Own():
            return transaction.id


def _mark(tx: Tx, transaction: BalanceTransaction, explanation: Explanation) -> Movement:
    return Movement(
        id=transaction.id,
        type=transaction.type,
        category=transaction.category,
        currency=transaction.amount.currency,
        amount=transaction.amount.amount,
        fee=transaction.fee.amount,
        source=transaction.source,
        outcome=_OUTCOMES[type(explanation)],
        operation=operation_of(transaction, explanation),
        account=explanation.account if isinstance(explanation, Own) else None,
        entry=explanation.entry if isinstance(explanation, Matched) else None,
        created_at=transaction.created_at,
        read_at=tx.now,
    )


async def _report(tx: Tx, movement: Movement, kind: FindingKind) -> None:
    """A person must look: a finding, and an alert once all is committed."""
    # Else it is booked under an id of Stripe's.
    operation = movement.operation if movement.outcome is Outcome.MATCHED else None
    await inbox.record_finding(tx, kind, about=movement.id, object_id=movement.source, operation=operation)
    facts = {
        "balance_transaction": movement.id,
        "category": movement.category,
        "source": movement.source,
        "operation": movement.operation,
        "amount": movement.amount,
        "currency": movement.currency,
    }
    tx.after_commit.append(partial(alert, _ALERTS[kind], **facts))


def _negative(money: Money) -> Money:
    return Money(-money.amount, money.currency)


_ALERTS: Final = {
    FindingKind.UNEXPLAINED: "UNEXPLAINED_MOVEMENT",
    FindingKind.SETTLED_OTHERWISE: "SETTLED_OTHERWISE",
}
