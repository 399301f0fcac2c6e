"""Reading withdrawals: pages, sums, and whose a transfer or a payout is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from domain.kernel.database import Row, Tx, parse
from domain.kernel.ids import first_id
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.sending import Hindrance
from domain.withdrawals.documents import GIVEN_BACK, Withdrawal, WithdrawalStatus

# What is under way at Stripe and the bank is told by events; this is how often it is read all the same.
READ_EVERY: Final = timedelta(hours=1)
APPROVAL_WINDOW: Final = timedelta(hours=24)


def due_while_sent(now: datetime) -> datetime:
    return now + READ_EVERY


async def find(withdrawal_id: str, tx: Tx | None = None) -> Withdrawal | None:
    session = None if tx is None else tx.session
    row = await Withdrawal.get_pymongo_collection().find_one({"_id": withdrawal_id}, session=session)
    return None if row is None else parse(Withdrawal, row)


async def get(withdrawal_id: str, tx: Tx | None = None) -> Withdrawal:
    """As `tx` sees it, where one is given. Raises LookupError: only for ids that were read before."""
    withdrawal = await find(withdrawal_id, tx)
    if withdrawal is None:
        raise LookupError(withdrawal_id)
    return withdrawal


async def find_many(withdrawal_ids: Sequence[str]) -> dict[str, Withdrawal]:
    rows = Withdrawal.get_pymongo_collection().find({"_id": {"$in": list(withdrawal_ids)}})
    return {row["_id"]: parse(Withdrawal, row) async for row in rows}


async def page_of(
    request: PageRequest, *, criteria: dict[str, Any], statuses: Sequence[WithdrawalStatus] | None = None
) -> Page[Withdrawal]:
    """Withdrawals, newest first, under `criteria` that an index serves. Cursors are ids."""
    if statuses is not None:
        criteria = {**criteria, "status": {"$in": [status.value for status in statuses]}}
    page = await newest_first(Withdrawal.get_pymongo_collection(), criteria, request)
    items = [parse(Withdrawal, row) for row in page.items]
    return Page(items, page.has_next_page, page.has_previous_page)


async def of_transfer(tx: Tx, transfer_id: str, claimed_id: str | None) -> Withdrawal | None:
    """The withdrawal that a transfer is known to be of, else the one that its metadata names.

    Metadata can be changed at Stripe, and what was booked stays booked.
    """
    collection = Withdrawal.get_pymongo_collection()
    row = await collection.find_one({"transfers.id": transfer_id}, session=tx.session)
    if row is not None:
        return parse(Withdrawal, row)
    return None if claimed_id is None else await find(claimed_id, tx)


async def ids_of(stripe_id: str) -> list[str]:
    """The withdrawals that a transfer sent (tr_), or that a payout to the bank covers (po_)."""
    field = "payouts.id" if stripe_id.startswith("po_") else "transfers.id"
    rows = Withdrawal.get_pymongo_collection().find({field: stripe_id}, {"_id": 1})
    return sorted([row["_id"] async for row in rows])


async def knows_transfer(transfer_id: str) -> bool:
    """Whether some withdrawal is known to have been sent by it."""
    return await Withdrawal.get_pymongo_collection().find_one({"transfers.id": transfer_id}) is not None


async def of_payout(tx: Tx, payout_id: str, sources: Sequence[str], claimed_id: str | None) -> list[str]:
    """The ids of the withdrawals in a payout: by what Stripe lists in it, or by our id in its metadata."""
    collection = Withdrawal.get_pymongo_collection()
    criteria: list[dict[str, Any]] = [{"payouts.id": {"$in": [payout_id, *sources]}}]
    if sources:
        criteria.append({"transfers.payment": {"$in": list(sources)}})
    if claimed_id is not None:
        criteria.append({"_id": claimed_id})
    rows: list[Row] = await collection.find({"$or": criteria}, {"_id": 1}, session=tx.session).to_list()
    return sorted({row["_id"] for row in rows})


async def asked_for_since(tx: Tx | None, owner: str, currency: str, since: datetime) -> int:
    """Minor units of the owner's withdrawals since then, but for those that were given back."""
    returned = [status.value for status in GIVEN_BACK]
    pipeline: list[dict[str, Any]] = [
        {"$match": {"owner": owner, "_id": {"$gte": first_id("wdr", at=since)}}},
        {"$match": {"currency": currency, "status": {"$nin": returned}}},
        {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
    ]
    cursor = await Withdrawal.get_pymongo_collection().aggregate(
        pipeline,
        session=None if tx is None else tx.session,
        # Never by the ids alone: they are everybody's of that time.
        hint="owner",
    )
    rows = await cursor.to_list()
    return int(rows[0]["amount"]) if rows else 0


async def waits_for_funds(currency: str) -> Withdrawal | None:
    """One that the platform's balance at Stripe did not cover, if there is any: the next would wait too."""
    row = await Withdrawal.get_pymongo_collection().find_one(
        {"hindrance": Hindrance.FUNDS.value, "currency": currency}
    )
    return None if row is None else parse(Withdrawal, row)
