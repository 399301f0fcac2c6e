"""Which verb answers which event of Stripe's: the one table that webhooks and jobs share."""

from domain.dispatch.handle import HANDLE_EVENT, handle, handle_claimed
from domain.dispatch.table import HANDLERS

__all__ = ["HANDLERS", "HANDLE_EVENT", "handle", "handle_claimed"]
