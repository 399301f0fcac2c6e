"""Reading disputes: pages, whose a dispute of Stripe's is, and what one waits for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.disputes.documents import CLOSED, Dispute, DisputeStatus
from domain.kernel.database import Tx, parse
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest, newest_first

S = DisputeStatus
_OPEN: Final = [status.value for status in S if status not in CLOSED]
# Events tell when a dispute changes; this is how often an open one is read all the same.
READ_EVERY: Final = timedelta(hours=1)


def due_while_open(now: datetime) -> datetime:
    return now + READ_EVERY


async def find(dispute_id: str, tx: Tx | None = None) -> Dispute | None:
    return await _one({"_id": dispute_id}, tx)


async def find_by_stripe_id(stripe_id: str, tx: Tx | None = None) -> Dispute | None:
    return await _one({"stripe_id": stripe_id}, tx)


async def find_many(dispute_ids: Sequence[str]) -> dict[str, Dispute]:
    rows = Dispute.get_pymongo_collection().find({"_id": {"$in": list(dispute_ids)}})
    return {row["_id"]: parse(Dispute, row) async for row in rows}


async def of_deposit(deposit_id: str) -> list[Dispute]:
    """All disputes of a deposit, in the order in which they became known."""
    rows = Dispute.get_pymongo_collection().find({"deposit": deposit_id}).sort("_id", 1)
    return [parse(Dispute, row) async for row in rows]


async def of_deposits(deposit_ids: Sequence[str]) -> list[Dispute]:
    """All disputes of the deposits, likewise."""
    rows = Dispute.get_pymongo_collection().find({"deposit": {"$in": list(deposit_ids)}}).sort("_id", 1)
    return [parse(Dispute, row) async for row in rows]


async def page_of(
    request: PageRequest, *, criteria: dict[str, Any], statuses: Sequence[DisputeStatus] | None = None
) -> Page[Dispute]:
    """Disputes, newest first, under `criteria` that an index serves. Cursors are ids."""
    if statuses is not None:
        criteria = {**criteria, "status": {"$in": [status.value for status in statuses]}}
    page = await newest_first(Dispute.get_pymongo_collection(), criteria, request)
    return Page([parse(Dispute, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def in_dispute(currency: str, session: AsyncClientSession) -> int:
    """Minor units that open disputes are about, inquiries included, be it taken already or not."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": _OPEN}, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
    ]
    # Never by the currency: that is also what was closed long ago.
    cursor = await Dispute.get_pymongo_collection().aggregate(pipeline, session=session, hint="status")
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0


def waiting_for(dispute: Dispute, *, tells_when: bool) -> Blocker | None:
    """What is awaited of an open dispute. `tells_when`: until when evidence may be sent is the desk's."""
    match dispute.status:
        case S.NEEDS_RESPONSE | S.WARNING_NEEDS_RESPONSE:
            message = "The platform may answer the payer's bank with evidence."
            return Blocker("EVIDENCE", message, dispute.evidence_due_by if tells_when else None)
        case S.UNDER_REVIEW | S.WARNING_UNDER_REVIEW:
            return Blocker("BANK_DECISION", "The payer's bank decides.")
        case _:
            return None


async def _one(criteria: dict[str, Any], tx: Tx | None) -> Dispute | None:
    session = None if tx is None else tx.session
    row = await Dispute.get_pymongo_collection().find_one(criteria, session=session)
    return None if row is None else parse(Dispute, row)
