"""A person's Customer at Stripe: one for each who ever pays by card."""

from domain.customers import events
from domain.customers.documents import Customer
from domain.customers.reads import find, owner_of
from domain.customers.service import ensure, record

DOCUMENTS = (Customer,)

__all__ = ["DOCUMENTS", "Customer", "ensure", "events", "find", "owner_of", "record"]
