"""The books as a whole: for admins."""

from domain import reconciliation
from domain.identity import Role
from domain.ledger import Report
from resolvers.context import Context


async def ledger_report(context: Context) -> Report:
    """Raises Unauthenticated, Forbidden."""
    context.require(Role.ADMIN)
    return await reconciliation.verify_books(context.runtime)
