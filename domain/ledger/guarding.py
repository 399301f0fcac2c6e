"""Guarding what leaves a wallet against a freeze that commits at the same moment."""

from pymongo import ReturnDocument

from domain.kernel.database import Tx
from domain.kernel.errors import WalletFrozen
from domain.ledger.books import LedgerBug
from domain.ledger.documents import Wallet


async def guard_send(tx: Tx, wallet_id: str) -> None:
    """Say that something held in this wallet is about to be sent. Raises WalletFrozen.

    It writes the wallet, so that a freeze and a send conflict: under snapshot isolation alone both would
    commit, each having seen the wallet as it was before the other.
    """
    row = await Wallet.get_pymongo_collection().find_one_and_update(
        {"_id": wallet_id},
        {"$inc": {"guard": 1}},
        return_document=ReturnDocument.AFTER,
        session=tx.session,
    )
    if row is None:
        raise LedgerBug(f"{wallet_id} is not there")
    if row["freezes"]:
        raise WalletFrozen("Nothing may leave this wallet for now: " + row["freezes"][0]["reason"])
