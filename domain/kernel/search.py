"""What an operator looks for among the operations of a noun."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.kernel.errors import BadRequest
from domain.kernel.ids import EPOCH, last_id, last_id_before
from domain.kernel.money import CURRENCIES


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is None does not narrow. Amounts are minor units, their bounds included; instants are excluded."""

    person: str | None = None
    currency: str | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def criteria(
        self, prefix: str, *, people: Sequence[str] = ("owner",), amount: str = "amount"
    ) -> dict[str, Any]:
        """As MongoDB is asked. `people`: the fields that name a person; `amount`: the one that is meant.

        A time becomes a bound of the id, by which pages are ordered, and so needs no index of its own: an
        operation's id is made at the instant that is its `created_at`. Raises BadRequest for a currency that
        nobody knows.
        """
        if self.currency is not None:
            check_known(self.currency)
        sides = [{field: self.person} for field in people] if self.person is not None else []
        person: dict[str, Any] = {"$or": sides} if len(sides) > 1 else dict(*sides)
        amounts = _present({"$gte": self.amount_min, "$lte": self.amount_max})
        after, before = self.created_after, self.created_before
        ids = _present(
            {
                "$gt": None if after is None else last_id(prefix, at=max(after, EPOCH)),
                "$lte": None if before is None else last_id_before(prefix, at=before),
            }
        )
        return person | _present({"currency": self.currency, amount: amounts or None, "_id": ids or None})


def money_indexes(amount: str = "amount") -> list[IndexModel]:
    """What serves a search by currency, by amount, or by both; `amount` as in `Search.criteria`.

    The first is walked newest first, and tells amounts without a document: good for what is common. The
    second goes to the amounts themselves, and sorts what it finds: good for what is rare. MongoDB tries both
    and takes whichever is done first (decision 66).
    """
    return [
        IndexModel([("currency", ASCENDING), ("_id", DESCENDING), (amount, ASCENDING)], name="currency"),
        # Without the currency: Beanie takes two indexes of the same fields for one.
        IndexModel([(amount, ASCENDING), ("_id", DESCENDING)], name="amount"),
    ]


def check_known(currency: str) -> None:
    """Raises BadRequest for what is no currency. One that the platform does not take (any more) is one."""
    if currency not in CURRENCIES:
        raise BadRequest(f"{currency!r} is no currency that is known; write e.g. USD.")


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
