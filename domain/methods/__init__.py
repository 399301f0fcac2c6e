"""Saved cards: what a person can be charged with again, as Stripe keeps it and as we last saw it."""

from domain.methods import events
from domain.methods.documents import PaymentMethod
from domain.methods.reads import SavedMethod, find, find_own
from domain.methods.service import create_setup_intent, of_owner, remember, remove, set_default

DOCUMENTS = (PaymentMethod,)

__all__ = [
    "DOCUMENTS",
    "PaymentMethod",
    "SavedMethod",
    "create_setup_intent",
    "events",
    "find",
    "find_own",
    "of_owner",
    "remember",
    "remove",
    "set_default",
]
