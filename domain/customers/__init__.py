"""A person's Customer at Stripe: one for each who ever pays by card."""

from domain.customers.documents import Customer
from domain.customers.service import ensure

DOCUMENTS = (Customer,)

__all__ = ["DOCUMENTS", "Customer", "ensure"]
