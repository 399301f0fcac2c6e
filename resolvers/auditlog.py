"""The audit log: for admins."""

from domain import auditlog
from domain.auditlog import AuditRecord, AuditSearch
from domain.identity import Role
from domain.kernel.pages import Page, PageRequest
from resolvers.context import Context


async def page(context: Context, request: PageRequest, search: AuditSearch) -> Page[AuditRecord]:
    """Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await auditlog.page(request, search)
