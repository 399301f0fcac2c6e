"""Money back, to the card it came from."""

from domain.refunds import audit, events
from domain.refunds.bookings import Booking, booking_of_refund, booking_of_return
from domain.refunds.decisions import RefundOutcome, ResolveRefund, resolve
from domain.refunds.documents import MACHINE, Refund, RefundOrigin, RefundStatus
from domain.refunds.reads import find, find_many, find_sent, of_deposit, of_deposits, page_of
from domain.refunds.service import SEND, Asker, RefundDeposit, Requested, cancel, refundable, request
from domain.refunds.upkeep import claim_next, go_on, look_again, wake_for_funds
from domain.refunds.waiting import waiting_for

DOCUMENTS = (Refund,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "SEND",
    "Asker",
    "Booking",
    "Refund",
    "RefundDeposit",
    "RefundOrigin",
    "RefundOutcome",
    "RefundStatus",
    "Requested",
    "ResolveRefund",
    "audit",
    "booking_of_refund",
    "booking_of_return",
    "cancel",
    "claim_next",
    "events",
    "find",
    "find_many",
    "find_sent",
    "go_on",
    "look_again",
    "of_deposit",
    "of_deposits",
    "page_of",
    "refundable",
    "request",
    "resolve",
    "waiting_for",
    "wake_for_funds",
]
