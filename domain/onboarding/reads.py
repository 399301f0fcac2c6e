"""Finding accounts: by person, by Stripe's id, and the one that counts."""

from collections.abc import Sequence

from domain.kernel.database import Row, Tx, parse
from domain.onboarding.documents import ConnectAccount


async def find(account_id: str, tx: Tx | None = None) -> ConnectAccount | None:
    session = None if tx is None else tx.session
    criteria = {"_id": account_id}
    return _parsed(await ConnectAccount.get_pymongo_collection().find_one(criteria, session=session))


async def get(account_id: str, tx: Tx | None = None) -> ConnectAccount:
    """As `tx` sees it, where one is given. Raises LookupError: only for ids that were read before."""
    account = await find(account_id, tx)
    if account is None:
        raise LookupError(account_id)
    return account


async def find_by_stripe_id(stripe_id: str, tx: Tx | None = None) -> ConnectAccount | None:
    session = None if tx is None else tx.session
    criteria = {"stripe_id": stripe_id}
    return _parsed(await ConnectAccount.get_pymongo_collection().find_one(criteria, session=session))


async def live_account(owner: str, tx: Tx | None = None) -> ConnectAccount | None:
    """The one account of `owner` that is not over, be it that Stripe has not made it yet."""
    session = None if tx is None else tx.session
    criteria = {"owner": owner, "live": True}
    return _parsed(await ConnectAccount.get_pymongo_collection().find_one(criteria, session=session))


async def live_accounts(owners: Sequence[str]) -> dict[str, ConnectAccount]:
    """By owner; who has none is left out."""
    rows = ConnectAccount.get_pymongo_collection().find({"owner": {"$in": list(owners)}, "live": True})
    return {row["owner"]: parse(ConnectAccount, row) async for row in rows}


async def latest(owner: str) -> ConnectAccount | None:
    """The live account, else the last that ended. One that Stripe refused to make never was any."""
    live = await live_account(owner)
    if live is not None:
        return live
    ended = {"owner": owner, "live": False, "stripe_id": {"$gt": ""}}
    newest = [("_id", -1)]
    return _parsed(await ConnectAccount.get_pymongo_collection().find_one(ended, sort=newest))


def _parsed(row: Row | None) -> ConnectAccount | None:
    return None if row is None else parse(ConnectAccount, row)
