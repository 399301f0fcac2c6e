"""What we know of a person's Customer at Stripe."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import IndexModel

from domain.gateway import Attempt


class Customer(Document):
    """`id` is the user's. `stripe_id` is null until Stripe has answered under the attempt's key.

    `default_method`: Stripe's id of the card that is charged unless another is named. `observed_at`: when
    Stripe was asked for it; an older answer is not written over it.
    """

    id: str  # type: ignore[assignment]  # the user's id
    stripe_id: str | None = None
    attempt: Attempt
    lease_until: datetime | None = None
    default_method: str | None = None
    observed_at: datetime | None = None
    created_at: datetime

    class Settings:
        name = "customers"
        indexes: ClassVar = [
            IndexModel(
                [("stripe_id", 1)],
                unique=True,
                name="by_stripe_id",
                # Any text, and no null. MongoDB does not see that an equality implies {"$type": "string"}.
                partialFilterExpression={"stripe_id": {"$gt": ""}},
            )
        ]
