"""Money in, by card."""

from domain.deposits import audit, events
from domain.deposits.documents import MACHINE, Deposit, DepositStatus
from domain.deposits.intents import settle
from domain.deposits.reads import client_secret, find, find_many, incoming, page_of, waiting_for
from domain.deposits.receipts import Receipt, receive
from domain.deposits.service import Created, CreateDeposit, claim_next, create, look_again

DOCUMENTS = (Deposit,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "CreateDeposit",
    "Created",
    "Deposit",
    "DepositStatus",
    "Receipt",
    "audit",
    "claim_next",
    "client_secret",
    "create",
    "events",
    "find",
    "find_many",
    "incoming",
    "look_again",
    "page_of",
    "receive",
    "settle",
    "waiting_for",
]
