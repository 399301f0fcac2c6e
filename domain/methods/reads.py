"""Reading our copies: a person's own, and only what is still attached."""

from dataclasses import dataclass

from domain import customers
from domain.kernel.database import Tx, parse
from domain.methods.documents import PaymentMethod


@dataclass(frozen=True)
class SavedMethod:
    """`is_default`: it is what is charged unless another is named."""

    method: PaymentMethod
    is_default: bool


async def find_own(owner: str, method_id: str) -> PaymentMethod | None:
    """None for what is not there, not `owner`'s or removed: nothing may be asked of Stripe with it."""
    row = await PaymentMethod.get_pymongo_collection().find_one(
        {"_id": method_id, "owner": owner, "removed_at": None}
    )
    return None if row is None else parse(PaymentMethod, row)


async def find(owner: str, method_id: str) -> SavedMethod | None:
    """The same, told whether it is the default."""
    method = await find_own(owner, method_id)
    return None if method is None else SavedMethod(method, method.stripe_id == await _default_of(owner))


async def owner_of(tx: Tx, stripe_id: str) -> str | None:
    """Whose copy we have, be it removed; None when we have none."""
    row = await PaymentMethod.get_pymongo_collection().find_one(
        {"stripe_id": stripe_id}, {"owner": 1}, session=tx.session
    )
    return None if row is None else str(row["owner"])


async def copies_of(owner: str) -> list[SavedMethod]:
    """What is attached as far as we know, newest first."""
    rows = PaymentMethod.get_pymongo_collection().find({"owner": owner, "removed_at": None})
    methods = [parse(PaymentMethod, row) async for row in rows.sort([("created_at", -1), ("_id", -1)])]
    default = await _default_of(owner) if methods else None
    return [SavedMethod(method, method.stripe_id == default) for method in methods]


async def _default_of(owner: str) -> str | None:
    customer = await customers.find(owner)
    return None if customer is None else customer.default_method
