"""Reading what administrators did, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.auditlog.documents import Act, AuditRecord
from domain.kernel.database import parse
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.kernel.search import Search


@dataclass(frozen=True, kw_only=True)
class AuditSearch:
    """What is None does not narrow. `by`, `subject`, `person`: ids. Instants are excluded."""

    by: str | None = None
    subject: str | None = None
    person: str | None = None
    acts: Sequence[Act] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def criteria(self) -> dict[str, Any]:
        """As MongoDB is asked. A time becomes a bound of the id, which is made at the act's instant."""
        search = Search(
            person=self.person, created_after=self.created_after, created_before=self.created_before
        )
        criteria = search.criteria("aud", people=("person",))
        ids = {"by": self.by, "subject": self.subject}
        criteria |= {field: value for field, value in ids.items() if value is not None}
        if self.acts is not None:
            criteria["act"] = {"$in": [act.value for act in self.acts]}
        return criteria


async def page(request: PageRequest, search: AuditSearch) -> Page[AuditRecord]:
    """Cursors are ids."""
    page = await newest_first(AuditRecord.get_pymongo_collection(), search.criteria(), request)
    return Page([parse(AuditRecord, row) for row in page.items], page.has_next_page, page.has_previous_page)
