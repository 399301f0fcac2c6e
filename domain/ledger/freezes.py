"""Freezing a wallet: nothing leaves it on its owner's word, whoever asks at the same moment.

Freezing, unfreezing and sending each write the wallet, and so does whatever is posted: of two that overlap
one runs again and sees the other. Under snapshot isolation alone both would commit, each having seen the
wallet as it was before the other.
"""

from pymongo import ReturnDocument

from domain.kernel.database import Row, Tx
from domain.kernel.errors import WalletFrozen
from domain.kernel.ids import new_id
from domain.ledger.books import FreezeCause, LedgerBug
from domain.ledger.documents import FreezeChange, Wallet


async def freeze(
    tx: Tx, wallet_id: str, *, cause: FreezeCause, operation: str | None, by: str, reason: str
) -> bool:
    """Let nothing leave the wallet for `cause`. False, and no change, where that holds already.

    `operation`: what a cause of which there can be several is about, a dispute for instance; each is a
    freeze of its own. `reason` is the end of a sentence that the owner reads.
    """
    change = _change(tx, wallet_id, cause=cause, operation=operation, by=by, reason=reason, frozen=True)
    row = await _wallet(tx, wallet_id)
    if _is_frozen(row, cause, operation):
        return False
    fields = {"cause", "operation", "by", "at", "reason"}
    await _write(tx, wallet_id, {"$push": {"freezes": change.model_dump(include=fields)}}, change)
    return True


async def unfreeze(
    tx: Tx, wallet_id: str, *, cause: FreezeCause, operation: str | None, by: str, reason: str
) -> bool:
    """Take back what `freeze` did for this cause and operation, and nothing else. False where it did not."""
    change = _change(tx, wallet_id, cause=cause, operation=operation, by=by, reason=reason, frozen=False)
    row = await _wallet(tx, wallet_id)
    if not _is_frozen(row, cause, operation):
        return False
    own = {"cause": cause.value, "operation": operation}
    await _write(tx, wallet_id, {"$pull": {"freezes": own}}, change)
    return True


async def guard_send(tx: Tx, wallet_id: str) -> None:
    """Say that something held in this wallet is about to be sent. Raises WalletFrozen."""
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


def _change(
    tx: Tx, wallet_id: str, *, cause: FreezeCause, operation: str | None, by: str, reason: str, frozen: bool
) -> FreezeChange:
    if cause is FreezeCause.DEBT:
        raise LedgerBug("a debt comes and goes with the entry that makes or pays it")
    return FreezeChange(
        id=new_id("frz", at=tx.now),
        wallet=wallet_id,
        cause=cause,
        operation=operation,
        frozen=frozen,
        by=by,
        at=tx.now,
        reason=reason,
    )


async def _wallet(tx: Tx, wallet_id: str) -> Row:
    wallets = Wallet.get_pymongo_collection()
    row: Row | None = await wallets.find_one({"_id": wallet_id}, session=tx.session)
    if row is None:
        raise LedgerBug(f"{wallet_id} is not there")
    return row


def _is_frozen(row: Row, cause: FreezeCause, operation: str | None) -> bool:
    return any((one["cause"], one["operation"]) == (cause.value, operation) for one in row["freezes"])


async def _write(tx: Tx, wallet_id: str, update: Row, change: FreezeChange) -> None:
    await Wallet.get_pymongo_collection().update_one({"_id": wallet_id}, update, session=tx.session)
    changes = FreezeChange.get_pymongo_collection()
    await changes.insert_one(change.model_dump(by_alias=True), session=tx.session)
