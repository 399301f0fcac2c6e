"""The audit log, as admins see it."""

import strawberry

from domain import auditlog
from domain.auditlog import Act
from schema.operations import shown
from schema.shared import DateTime, Info, Operation, Party

strawberry.enum(
    Act, name="AuditAct", description="What an administrator did, by its noun. More may be added."
)


@strawberry.type(
    description="An administrator's act, written in the transaction that carried it out. Never changes."
)
class AuditRecord:
    id: strawberry.ID = strawberry.field(description="Opaque.")
    act: Act = strawberry.field(description="What was done.")
    by: Party = strawberry.field(description="The administrator.")
    subject: strawberry.ID = strawberry.field(description="The id of what it was done to.")
    person: Party | None = strawberry.field(description="Whose that is; an escrow is its customer's.")
    reason: str | None = strawberry.field(description="Why, in the administrator's words.")
    request_id: str | None = strawberry.field(description="The request's id, as the logs have it.")
    at: DateTime = strawberry.field(description="When.")

    @strawberry.field(description="The subject, where it is an operation.")
    async def operation(self, info: Info) -> Operation | None:
        operation = await info.context.loaders.operations.load(self.subject)
        return None if operation is None else shown(operation)

    @classmethod
    def of(cls, document: auditlog.AuditRecord) -> "AuditRecord":
        return cls(
            id=strawberry.ID(document.id),
            act=document.act,
            by=Party.of(document.by),
            subject=strawberry.ID(document.subject),
            person=None if document.person is None else Party.of(document.person),
            reason=document.reason,
            request_id=document.request_id,
            at=document.at,
        )
