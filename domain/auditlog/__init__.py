"""What administrators did: one record an act, for whoever must answer for it later."""

from domain.auditlog.documents import Act, AuditRecord
from domain.auditlog.reads import AuditSearch, page
from domain.auditlog.service import record

DOCUMENTS = (AuditRecord,)

__all__ = ["DOCUMENTS", "Act", "AuditRecord", "AuditSearch", "page", "record"]
