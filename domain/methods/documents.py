"""Our copy of a saved card."""

from datetime import datetime
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel


class PaymentMethod(Document):
    """A card, or what else Stripe can save, as much of it as its owner must see to know it again.

    `observed_at`: when Stripe was asked for what is stored here; an older answer is not written over it.
    `removed_at` is final: what was detached at Stripe can never be used again. `created_at` is Stripe's.
    """

    id: str  # type: ignore[assignment]  # prefixed ids in place of ObjectIds
    owner: str
    stripe_id: str
    type: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    removed_at: datetime | None = None
    observed_at: datetime
    created_at: datetime

    class Settings:
        name = "payment_methods"
        indexes: ClassVar = [
            # Never null, so it need not be partial.
            IndexModel([("stripe_id", ASCENDING)], unique=True, name="stripe_id"),
            IndexModel(
                [
                    ("owner", ASCENDING),
                    ("removed_at", ASCENDING),
                    ("created_at", DESCENDING),
                    ("_id", DESCENDING),
                ],
                name="owner",
            ),
        ]
