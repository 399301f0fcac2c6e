"""The audit log."""

import strawberry

import resolvers.auditlog
from domain.auditlog import Act, AuditSearch
from domain.kernel.pages import PageRequest
from schema.auditlog import AuditRecord
from schema.shared import Connection, DateTime, Info


@strawberry.type
class AuditLogQueries:
    @strawberry.field(
        description="ADMIN. What administrators did, newest first: `by` whom, to which `subject` (an id), to "
        "whose (`person`), which `act`s, and when. What is left out does not narrow."
    )
    async def audit_log(
        self,
        info: Info,
        by: strawberry.ID | None = None,
        subject: strawberry.ID | None = None,
        person: strawberry.ID | None = None,
        act: list[Act] | None = None,
        created_after: DateTime | None = None,
        created_before: DateTime | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[AuditRecord]:
        request = PageRequest.of(first, after, last, before)
        search = AuditSearch(
            by=by,
            subject=subject,
            person=person,
            acts=act,
            created_after=created_after,
            created_before=created_before,
        )
        page = await resolvers.auditlog.page(info.context, request, search)
        return Connection[AuditRecord].of(page, AuditRecord.of)
