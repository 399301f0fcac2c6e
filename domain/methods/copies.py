"""Writing what Stripe says of saved cards: the only place where a copy changes.

Stripe may be asked by many at once, and answers arrive in any order. What was asked for later wins: after
every change there is an event, and so a question that was asked after the change. A card that was detached
stays so, and no answer undoes it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import InsertOne, UpdateOne

from domain import gateway
from domain.kernel.database import Row, Tx, parse
from domain.kernel.ids import new_id
from domain.methods.documents import PaymentMethod


async def record(tx: Tx, owner: str, told: Sequence[gateway.PaymentMethod], *, observed_at: datetime) -> None:
    """Write what Stripe said of `owner`'s methods, newest first, when it was asked at `observed_at`.

    One that is not known is kept also when it is detached already: an older answer may still be on its way.
    """
    collection = PaymentMethod.get_pymongo_collection()
    rows = collection.find({"stripe_id": {"$in": [one.id for one in told]}}, session=tx.session)
    known = {row["stripe_id"]: parse(PaymentMethod, row) async for row in rows}
    writes: list[InsertOne[Row] | UpdateOne] = []
    # The oldest first: ids are in the order of their making.
    for one in reversed(told):
        seen = {**_seen(one, tx.now), "observed_at": observed_at}
        copy = known.get(one.id)
        if copy is None:
            identity = {"_id": new_id("pmt"), "owner": owner, "stripe_id": one.id}
            writes.append(InsertOne({**identity, **seen, "created_at": one.created_at}))
        elif copy.removed_at is None and (one.customer is None or observed_at >= copy.observed_at):
            writes.append(UpdateOne({"_id": copy.id}, {"$set": seen}))
    if writes:
        await collection.bulk_write(writes, session=tx.session)


async def mark_removed(tx: Tx, stripe_id: str) -> None:
    """Stripe has it no more, or belonging to nobody."""
    await PaymentMethod.get_pymongo_collection().update_one(
        {"stripe_id": stripe_id, "removed_at": None}, {"$set": {"removed_at": tx.now}}, session=tx.session
    )


def _seen(method: gateway.PaymentMethod, now: datetime) -> dict[str, Any]:
    return {
        "type": method.type,
        "brand": method.brand,
        "last4": method.last4,
        "exp_month": method.exp_month,
        "exp_year": method.exp_year,
        "removed_at": now if method.customer is None else None,
    }
