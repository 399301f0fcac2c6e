"""How the business does: for admins."""

from datetime import datetime

from domain import metrics
from domain.identity import Role
from domain.metrics import Metrics
from resolvers.context import Context


async def measure(context: Context, currency: str, since: datetime, until: datetime) -> Metrics:
    """Raises Unauthenticated, Forbidden (not an admin), BadRequest."""
    context.require(Role.ADMIN)
    return await metrics.measure(context.runtime, currency, since, until)
