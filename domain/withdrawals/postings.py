"""A withdrawal's entries: each step named, so that it can be booked only once."""

from typing import Final

from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from domain.withdrawals.documents import SentTransfer, Withdrawal

STRIPE: Final = Account.platform(Platform.STRIPE)
UNEXPLAINED: Final = Account.platform(Platform.UNEXPLAINED)


def reserved_ref(withdrawal_id: str) -> str:
    return f"withdrawal:{withdrawal_id}:reserved"


def hold_settled_ref(withdrawal_id: str) -> str:
    """Sent and returned bear the same ref: they exclude each other in the database."""
    return f"withdrawal:{withdrawal_id}:hold_settled"


def sent_ref(withdrawal_id: str, transfer: SentTransfer) -> str:
    found = f"withdrawal:{withdrawal_id}:found_sent:{transfer.id}"
    return found if transfer.found else hold_settled_ref(withdrawal_id)


def reversed_ref(withdrawal_id: str, transfer: SentTransfer, number: int) -> str:
    """Of the transfer's reversal `number`, from 0: named by what had come back once it had."""
    cumulative = sum(reversal.amount for reversal in transfer.reversals[: number + 1])
    return f"withdrawal:{withdrawal_id}:reversed:{transfer.id}:{cumulative}"


def reserved(withdrawal: Withdrawal, *, actor: str) -> NewEntry:
    step = Posting(Account.available(withdrawal.wallet), Account.held(withdrawal.wallet), withdrawal.amount)
    return _entry(withdrawal, reserved_ref(withdrawal.id), Kind.WITHDRAWAL_REQUESTED, step, actor=actor)


def returned(withdrawal: Withdrawal, *, actor: str) -> NewEntry:
    step = Posting(Account.held(withdrawal.wallet), Account.available(withdrawal.wallet), withdrawal.amount)
    return _entry(withdrawal, hold_settled_ref(withdrawal.id), Kind.WITHDRAWAL_RETURNED, step, actor=actor)


def sent(withdrawal: Withdrawal, transfer: SentTransfer, *, read_before: bool, actor: str) -> NewEntry:
    """`read_before`: Stripe's balance was read before anybody knew whose the transfer is."""
    wallet = withdrawal.wallet
    source = Account.available(wallet) if transfer.found else Account.held(wallet)
    step = Posting(source, UNEXPLAINED if read_before else STRIPE, transfer.amount)
    return _entry(withdrawal, sent_ref(withdrawal.id, transfer), Kind.WITHDRAWAL_SENT, step, actor=actor)


def came_back(
    withdrawal: Withdrawal, transfer: SentTransfer, number: int, *, read_before: bool, actor: str
) -> NewEntry:
    """Of the transfer's reversal `number`, from 0."""
    source = UNEXPLAINED if read_before else STRIPE
    step = Posting(source, Account.available(withdrawal.wallet), transfer.reversals[number].amount)
    ref = reversed_ref(withdrawal.id, transfer, number)
    return _entry(withdrawal, ref, Kind.WITHDRAWAL_REVERSED, step, actor=actor)


def _entry(withdrawal: Withdrawal, ref: str, kind: Kind, step: Posting, *, actor: str) -> NewEntry:
    return NewEntry(
        ref=ref,
        kind=kind,
        currency=withdrawal.currency,
        postings=[step],
        operation=withdrawal.id,
        actor=actor,
    )
