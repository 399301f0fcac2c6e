"""3-D Secure: what becomes of the bank's question (`intents.challenge` asks it)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from . import checkouts, payments, setups
from .objects import Object

if TYPE_CHECKING:
    from .store import Store, Stored
    from .transaction import Tx

_AUTHENTICATE = {"payment_intent": payments.authenticate, "setup_intent": setups.authenticate}


def find(store: Store, intent_id: str, token: str) -> Stored | None:
    """The intent, as it is by now, about which the bank asked under this token last."""
    for object_type in _AUTHENTICATE:
        stored = store.find(object_type, intent_id, account="")
        if stored is not None and _same(stored.private.get("challenge", ""), token):
            return stored
    return None


def is_open(stored: Stored) -> bool:
    """Whether the question still waits for its answer."""
    return bool(stored.body["status"] == "requires_action")


def answer(tx: Tx, stored: Stored, *, accepted: bool) -> Object:
    """The intent after the cardholder's answer. Never raises for a decline: nobody waits for it."""
    intent = _AUTHENTICATE[stored.body["object"]](tx, stored.body, accepted=accepted)
    if "checkout" in stored.private:
        checkouts.follow(tx, stored.private["checkout"], intent)
    return intent


def expire(tx: Tx, subject: str) -> None:
    """A timer: nobody answered. One that was answered, or asked anew since, is left alone."""
    stored = find(tx.store, *subject.split("/"))
    if stored is None or not is_open(stored):
        return
    tx.store.update_private(stored.body["id"], stored.private | {"expired": True})
    answer(tx, stored, accepted=False)


def return_address(intent: Object, return_url: str) -> str:
    """Where the cardholder goes after the bank's page."""
    noun = intent["object"]
    told = {
        noun: intent["id"],
        f"{noun}_client_secret": intent["client_secret"],
        "redirect_status": "failed" if intent["status"] == "requires_payment_method" else "succeeded",
    }
    parts = urlsplit(return_url)
    query = "&".join(filter(None, (parts.query, urlencode(told))))
    return urlunsplit(parts._replace(query=query))


def _same(real: str, given: str) -> bool:
    return bool(real) and secrets.compare_digest(real.encode(), given.encode())
