"""Writing an act down: with what it did, or not at all."""

import structlog

from domain.auditlog.documents import Act, AuditRecord
from domain.kernel.database import Tx
from domain.kernel.ids import new_id


async def record(tx: Tx, act: Act, *, by: str, subject: str, person: str | None, reason: str | None) -> None:
    """Only for what changes something: the same again is no act."""
    written = AuditRecord(
        id=new_id("aud", at=tx.now),
        act=act,
        by=by,
        subject=subject,
        person=person,
        reason=reason,
        # Bound where the request came in; a command at the terminal has none.
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        at=tx.now,
    )
    await written.insert(session=tx.session)
