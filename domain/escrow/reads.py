"""Reading escrows: pages of a party's or of all, their moves, and what is locked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.escrow.documents import Escrow, EscrowMove
from domain.escrow.states import SETTLED, EscrowStatus
from domain.kernel.database import Tx, parse
from domain.kernel.ids import last_id_before
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.kernel.search import Search

_OPEN = [status.value for status in EscrowStatus if status not in SETTLED]


class EscrowSide(StrEnum):
    """Whose side of the deals one looks from."""

    CUSTOMER = "CUSTOMER"
    CONTRACTOR = "CONTRACTOR"


_PARTY: Final = {EscrowSide.CUSTOMER: "owner", EscrowSide.CONTRACTOR: "contractor"}
_PARTIES: Final = tuple(_PARTY.values())


async def find(escrow_id: str) -> Escrow | None:
    row = await Escrow.get_pymongo_collection().find_one({"_id": escrow_id})
    return None if row is None else parse(Escrow, row)


async def get(escrow_id: str, tx: Tx) -> Escrow:
    """As `tx` sees it. Raises LookupError: only for ids that were read before."""
    row = await Escrow.get_pymongo_collection().find_one({"_id": escrow_id}, session=tx.session)
    if row is None:
        raise LookupError(escrow_id)
    return parse(Escrow, row)


async def find_many(escrow_ids: Sequence[str]) -> dict[str, Escrow]:
    rows = await Escrow.get_pymongo_collection().find({"_id": {"$in": list(escrow_ids)}}).to_list()
    return {row["_id"]: parse(Escrow, row) for row in rows}


async def find_move(move_id: str) -> EscrowMove | None:
    row = await EscrowMove.get_pymongo_collection().find_one({"_id": move_id})
    return None if row is None else parse(EscrowMove, row)


async def moves_of(escrow_ids: Sequence[str]) -> dict[str, list[EscrowMove]]:
    """Each escrow's moves, in their order; one that has none is left out."""
    cursor = EscrowMove.get_pymongo_collection().find({"escrow": {"$in": list(escrow_ids)}})
    moves: dict[str, list[EscrowMove]] = defaultdict(list)
    async for row in cursor.sort([("escrow", 1), ("number", 1)]):
        moves[row["escrow"]].append(parse(EscrowMove, row))
    return moves


async def page_of(
    person: str | None,
    request: PageRequest,
    *,
    side: EscrowSide | None = None,
    statuses: Sequence[EscrowStatus] | None = None,
    job_id: str | None = None,
) -> Page[Escrow]:
    """The person's escrows on either side or on one, or (None) everybody's; newest first. Cursors are ids."""
    return await page(request, Search(person=person), side=side, statuses=statuses, job_id=job_id)


async def page(
    request: PageRequest,
    search: Search,
    *,
    side: EscrowSide | None = None,
    statuses: Sequence[EscrowStatus] | None = None,
    job_id: str | None = None,
) -> Page[Escrow]:
    """What `search` finds, its person on either side or on one; newest first. Cursors are ids."""
    people = _PARTIES if side is None else (_PARTY[side],)
    criteria = search.criteria("esc", people=people, amount="price")
    if statuses is not None:
        criteria["status"] = {"$in": [status.value for status in statuses]}
    if job_id is not None:
        criteria["job_id"] = job_id
    page = await newest_first(Escrow.get_pymongo_collection(), criteria, request)
    return Page([parse(Escrow, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def locked(owner: str, currency: str) -> int:
    """What is in escrow of the customer's money, fees included, in minor units."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"owner": owner, "status": {"$in": _OPEN}, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$locked"}}},
    ]
    rows = await (await Escrow.get_pymongo_collection().aggregate(pipeline)).to_list()
    return int(rows[0]["amount"]) if rows else 0


async def locked_in(currency: str, session: AsyncClientSession) -> int:
    """What is in escrow of everybody's money, fees included, in minor units."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"status": {"$in": _OPEN}, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$locked"}}},
    ]
    # Never by the currency: that is also what was settled long ago.
    cursor = await Escrow.get_pymongo_collection().aggregate(pipeline, session=session, hint="status")
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0


async def turned_over(currency: str, since: datetime, until: datetime, session: AsyncClientSession) -> int:
    """What was released or refunded of prices in [since, until), in minor units: one pass over those."""
    ids = {"$gt": last_id_before("esm", at=since), "$lte": last_id_before("esm", at=until)}
    pipeline: list[dict[str, Any]] = [
        {"$match": {"_id": ids, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
    ]
    cursor = await EscrowMove.get_pymongo_collection().aggregate(pipeline, session=session)
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0


async def accounts(session: AsyncClientSession) -> Mapping[tuple[str, str], int]:
    """What the escrows say is in their accounts, by currency and account, as the session sees them."""
    fields = {"currency": 1, "locked": 1}
    cursor = Escrow.get_pymongo_collection().find({"locked": {"$ne": 0}}, fields, session=session)
    return {(str(row.get("currency")), f"escrow:{row['_id']}"): row["locked"] async for row in cursor}


def waiting_for(escrow: Escrow, *, frozen: bool, now: datetime) -> Blocker | None:
    """What the escrow waits for. `frozen`: whether the customer's wallet is."""
    match escrow.status:
        case EscrowStatus.FUNDED if escrow.expires_at <= now:
            message = "It was not accepted in time; the money goes back to the customer."
            return Blocker("EXPIRY", message, escrow.next_attempt_at)
        case EscrowStatus.FUNDED:
            return Blocker("ACCEPTANCE", "The contractor has not accepted the job yet.", escrow.expires_at)
        case EscrowStatus.DISPUTED:
            return Blocker("DECISION", "The parties disagree: an administrator decides.")
        case EscrowStatus.ACCEPTED | EscrowStatus.PARTIALLY_RELEASED if frozen:
            message = "The customer's wallet is frozen: an administrator decides about a release."
            return Blocker("WALLET_FROZEN", message)
        case EscrowStatus.ACCEPTED | EscrowStatus.PARTIALLY_RELEASED:
            return Blocker("RELEASE", "The customer has not released the money yet.")
        case _:
            return None
