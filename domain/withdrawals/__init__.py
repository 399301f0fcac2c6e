"""Money out, to a contractor's bank."""

from domain.sending import Hindrance
from domain.withdrawals import audit, events
from domain.withdrawals.bookings import Booking, booking_of_reversal, booking_of_transfer
from domain.withdrawals.decisions import ResolveWithdrawal, WithdrawalOutcome, approve, reject, resolve
from domain.withdrawals.documents import MACHINE, Withdrawal, WithdrawalStatus
from domain.withdrawals.reads import find, find_many, page_of
from domain.withdrawals.service import SEND, Requested, RequestWithdrawal, cancel, cancel_unsent, request
from domain.withdrawals.upkeep import claim_next, go_on, look_again
from domain.withdrawals.waiting import blockers, waiting_for
from domain.withdrawals.waking import (
    look_at_account,
    ring_woken,
    unfreeze_wallet,
    wake,
    wake_for_funds,
    wake_owner,
)

DOCUMENTS = (Withdrawal,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "SEND",
    "Booking",
    "Hindrance",
    "RequestWithdrawal",
    "Requested",
    "ResolveWithdrawal",
    "Withdrawal",
    "WithdrawalOutcome",
    "WithdrawalStatus",
    "approve",
    "audit",
    "blockers",
    "booking_of_reversal",
    "booking_of_transfer",
    "cancel",
    "cancel_unsent",
    "claim_next",
    "events",
    "find",
    "find_many",
    "go_on",
    "look_again",
    "look_at_account",
    "page_of",
    "reject",
    "request",
    "resolve",
    "ring_woken",
    "unfreeze_wallet",
    "waiting_for",
    "wake",
    "wake_for_funds",
    "wake_owner",
]
