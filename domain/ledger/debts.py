"""Who owes what: wallets below zero."""

import re
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain.kernel.database import parse
from domain.kernel.money import MINOR_UNITS_MAX
from domain.kernel.pages import Page, PageRequest, in_order
from domain.ledger.documents import Wallet

_OWED: Final = re.compile("[1-9][0-9]{0,15}")


async def debts(currency: str, request: PageRequest) -> Page[Wallet]:
    """The wallets below zero, most owed first; of those that owe the same, the older. Cursors: `debt_place`.

    While pages are turned, a debt that changes may be met twice or not at all; every other is met once.
    """
    found = await in_order(
        Wallet.get_pymongo_collection(),
        _below_zero(currency),
        request,
        field="available",
        decode=_available,
        falling=False,
    )
    return Page([parse(Wallet, row) for row in found.items], found.has_next_page, found.has_previous_page)


async def owed(currency: str, session: AsyncClientSession) -> int:
    """All debts together, in minor units."""
    pipeline: list[dict[str, Any]] = [
        {"$match": _below_zero(currency)},
        {"$group": {"_id": None, "available": {"$sum": "$available"}}},
    ]
    cursor = await Wallet.get_pymongo_collection().aggregate(pipeline, session=session)
    rows = await cursor.to_list()
    return -int(rows[0]["available"]) if rows else 0


def debt_place(wallet: Wallet) -> str:
    """Where it stands among all debts of its currency, for a cursor."""
    return f"{-wallet.available}:{wallet.id}"


def _below_zero(currency: str) -> dict[str, Any]:
    return {"currency": currency, "available": {"$lt": 0}}


def _available(text: str) -> int:
    """Raises ValueError for what `debt_place` never wrote."""
    if not _OWED.fullmatch(text) or int(text) > MINOR_UNITS_MAX:
        raise ValueError(text)
    return -int(text)
