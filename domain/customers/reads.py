"""Finding a Customer: by its person, and the person by it."""

from domain.customers.documents import Customer
from domain.kernel.database import Tx, parse


async def find(user_id: str) -> Customer | None:
    """Null for a person who never meant to pay; its `stripe_id` is null until Stripe has answered."""
    row = await Customer.get_pymongo_collection().find_one({"_id": user_id})
    return None if row is None else parse(Customer, row)


async def owner_of(stripe_id: str, tx: Tx | None = None) -> str | None:
    """Whose Customer this is; None when it is nobody's here."""
    customers = Customer.get_pymongo_collection()
    session = None if tx is None else tx.session
    row = await customers.find_one({"stripe_id": stripe_id}, {"_id": 1}, session=session)
    return None if row is None else str(row["_id"])
