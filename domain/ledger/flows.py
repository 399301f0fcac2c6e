"""What flowed between accounts in a time: sums over the entries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.ids import last_id_before
from domain.ledger.books import AnyKind, kind_of
from domain.ledger.checkpoints import PREFIX
from domain.ledger.documents import EntryRecord

WALLETS: Final = "wallet"
ESCROWS: Final = "escrow"


class Flow(NamedTuple):
    """By entries of this kind, from accounts of one sort to another's: WALLETS, ESCROWS or a platform's."""

    kind: AnyKind
    source: str
    destination: str


async def flows(
    currency: str, since: datetime, until: datetime, session: AsyncClientSession
) -> Mapping[Flow, int]:
    """Minor units that moved in [since, until), by entries: one pass over those of the time.

    An entry's id carries its instant, see decision 26. One may still be added for as long as a transaction
    may take.
    """
    ids = {"$gt": last_id_before(PREFIX, at=since), "$lte": last_id_before(PREFIX, at=until)}
    sides = {side: _sort_of(f"$postings.{side}") for side in ("source", "destination")}
    pipeline: list[dict[str, Any]] = [
        {"$match": {"_id": ids, "currency": currency}},
        {"$unwind": "$postings"},
        {"$group": {"_id": {"kind": "$kind", **sides}, "amount": {"$sum": "$postings.amount"}}},
    ]
    cursor = await EntryRecord.get_pymongo_collection().aggregate(pipeline, session=session)
    return {
        Flow(kind_of(row["_id"]["kind"]), row["_id"]["source"], row["_id"]["destination"]): int(row["amount"])
        async for row in cursor
    }


def _sort_of(account: str) -> dict[str, Any]:
    """The account without its id; a platform account has none."""
    is_platform = {"$eq": [{"$substrBytes": [account, 0, 9]}, "platform:"]}
    return {"$cond": [is_platform, account, {"$substrBytes": [account, 0, 6]}]}
