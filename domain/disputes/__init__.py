"""Money that payers' banks ask about, or take back."""

from domain.disputes import audit, events
from domain.disputes.bookings import Booking, booking_of
from domain.disputes.decisions import WriteOffDispute, write_off
from domain.disputes.documents import MACHINE, Dispute, DisputeStatus, Movement, WriteOff
from domain.disputes.reads import (
    find,
    find_by_stripe_id,
    find_many,
    in_dispute,
    of_deposit,
    of_deposits,
    page_of,
    waiting_for,
)
from domain.disputes.upkeep import claim_next, find_new, look_again

DOCUMENTS = (Dispute,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "Booking",
    "Dispute",
    "DisputeStatus",
    "Movement",
    "WriteOff",
    "WriteOffDispute",
    "audit",
    "booking_of",
    "claim_next",
    "events",
    "find",
    "find_by_stripe_id",
    "find_many",
    "find_new",
    "in_dispute",
    "look_again",
    "of_deposit",
    "of_deposits",
    "page_of",
    "waiting_for",
    "write_off",
]
