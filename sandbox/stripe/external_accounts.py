"""The bank account that a connected account is paid out to: one of Stripe's test numbers.

It belongs to the connected account, and is found where that account's own things are (`Tx.on`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .objects import Object, shaped
from .standing import kind_of

if TYPE_CHECKING:
    from .store import Stored
    from .transaction import Tx

ROUTING_NUMBER = "110000000"


@dataclass(frozen=True)
class TestBank:
    """`failure_code` is Stripe's word for why no money goes there, or comes from there; None: it does."""

    number: str
    failure_code: str | None = None

    @property
    def last4(self) -> str:
        return self.number[-4:]


TEST_BANKS = (
    TestBank("000123456789"),
    TestBank("000111111116", "no_account"),
    TestBank("000111111113", "account_closed"),
    TestBank("000222222227", "insufficient_funds"),
)
BY_NUMBER = {bank.number: bank for bank in TEST_BANKS}


def current(tx: Tx, account_id: str) -> Stored | None:
    """Where the account's payouts go."""
    found = tx.store.all_objects("bank_account", where="account = ?", values=(account_id,))
    return found[-1] if found else None


def bank_of(stored: Stored) -> TestBank:
    return BY_NUMBER[stored.private["number"]]


def replace(tx: Tx, account: Object, bank: TestBank) -> Object:
    """Have payouts go to another bank account: a new object, as at Stripe, where a number never changes.

    `accounts.change` has to follow, for the account shows it.
    """
    here = tx.on(account["id"])
    before = current(tx, account["id"])
    body = here.insert(_new(here, account, bank), {"number": bank.number})
    here.emit("account.external_account.created", body)
    if before is not None:
        here.store.mark_deleted(before.body)
        here.emit("account.external_account.deleted", before.body)
    return body


def listed(tx: Tx, account_id: str) -> Object:
    """As the account shows them."""
    stored = current(tx, account_id)
    return {
        "object": "list",
        "data": [stored.body] if stored else [],
        "has_more": False,
        "url": f"/v1/accounts/{account_id}/external_accounts",
    }


def _new(tx: Tx, account: Object, bank: TestBank) -> Object:
    nothing_asked: Object = {"currently_due": [], "errors": [], "past_due": [], "pending_verification": []}
    return shaped(
        "bank_account",
        {
            "id": tx.ids.new("ba_"),
            "object": "bank_account",
            "account": account["id"],
            "account_holder_type": kind_of(account),
            "available_payout_methods": ["standard"],
            "bank_name": "STRIPE TEST BANK",
            "country": account["country"],
            "currency": account["default_currency"],
            "default_for_currency": True,
            "fingerprint": f"{int(bank.number):016x}",
            "future_requirements": shaped("external_account_requirements", nothing_asked),
            "last4": bank.last4,
            "metadata": {},
            "requirements": shaped("external_account_requirements", nothing_asked),
            "routing_number": ROUTING_NUMBER,
            "status": "new",
        },
    )
