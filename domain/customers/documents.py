"""What we know of a person's Customer at Stripe."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import IndexModel

from domain.gateway import Attempt


class Customer(Document):
    """`id` is the user's. `stripe_id` is null until Stripe has answered under the attempt's key."""

    id: str  # type: ignore[assignment]  # the user's id
    stripe_id: str | None = None
    attempt: Attempt
    lease_until: datetime | None = None
    created_at: datetime

    class Settings:
        name = "customers"
        indexes: ClassVar = [
            IndexModel(
                [("stripe_id", 1)],
                unique=True,
                name="stripe_id",
                partialFilterExpression={"stripe_id": {"$type": "string"}},
            )
        ]
