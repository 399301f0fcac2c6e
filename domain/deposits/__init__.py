"""Money in, by card."""

from domain.deposits import audit, events
from domain.deposits.bookings import Booking, booking_of_charge, booking_of_refund, booking_of_return
from domain.deposits.cancellation import Canceled, cancel
from domain.deposits.documents import MACHINE, Deposit, DepositStatus, Receipt, Reclaim, ReviewOutcome
from domain.deposits.intents import settle
from domain.deposits.reads import (
    checkout_url,
    client_secret,
    find,
    find_by_intent,
    find_by_session,
    find_many,
    get,
    incoming,
    next_action_url,
    page,
    page_of,
    waiting_for,
)
from domain.deposits.reclaims import reclaim
from domain.deposits.review import Resolved, ResolveDeposit, resolve
from domain.deposits.service import CheckoutAddresses, Created, CreateDeposit, create
from domain.deposits.upkeep import claim_next, look_again

DOCUMENTS = (Deposit,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "Booking",
    "Canceled",
    "CheckoutAddresses",
    "CreateDeposit",
    "Created",
    "Deposit",
    "DepositStatus",
    "Receipt",
    "Reclaim",
    "ResolveDeposit",
    "Resolved",
    "ReviewOutcome",
    "audit",
    "booking_of_charge",
    "booking_of_refund",
    "booking_of_return",
    "cancel",
    "checkout_url",
    "claim_next",
    "client_secret",
    "create",
    "events",
    "find",
    "find_by_intent",
    "find_by_session",
    "find_many",
    "get",
    "incoming",
    "look_again",
    "next_action_url",
    "page",
    "page_of",
    "reclaim",
    "resolve",
    "settle",
    "waiting_for",
]
