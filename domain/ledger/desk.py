"""What an administrator decides about a wallet: whether money may leave it."""

from dataclasses import dataclass

from domain import auditlog
from domain.auditlog import Act
from domain.kernel.database import Tx
from domain.kernel.errors import Forbidden, InvalidState, NotFound
from domain.kernel.reasons import needed_reason
from domain.ledger import reads
from domain.ledger.books import FreezeCause
from domain.ledger.documents import Wallet
from domain.ledger.freezes import freeze, unfreeze
from domain.runtime import Runtime


@dataclass(frozen=True)
class WalletDecision:
    """`reason`: 1 to 500 characters; the owner reads it, and the record keeps it."""

    wallet_id: str
    reason: str


async def freeze_wallet(runtime: Runtime, admin: str, decision: WalletDecision) -> Wallet:
    """Let nothing leave the wallet. Frozen by an administrator already, it stays as it is, its reason too.

    Raises InvalidInput, NotFound.
    """
    reason = needed_reason(decision.reason)

    async def work(tx: Tx) -> Wallet:
        wallet = await _get(tx, decision.wallet_id)
        cause = FreezeCause.ADMIN
        if await freeze(tx, wallet.id, cause=cause, operation=None, by=admin, reason=reason):
            await _record(tx, Act.WALLET_FROZEN, admin, wallet, reason)
        return await _get(tx, wallet.id)

    return await runtime.database.transact(work)


async def unfreeze_wallet(tx: Tx, admin: str, decision: WalletDecision) -> Wallet:
    """Take back what an administrator froze; a dispute's or a debt's freeze stays.

    What waited for it is its callers', in the same transaction.
    Raises InvalidInput, NotFound, Forbidden (one's own wallet), InvalidState (no administrator froze it).
    """
    reason = needed_reason(decision.reason)
    wallet = await _get(tx, decision.wallet_id)
    if wallet.owner == admin:
        raise Forbidden("Nobody unfreezes a wallet of their own.")
    cause = FreezeCause.ADMIN
    if not await unfreeze(tx, wallet.id, cause=cause, operation=None, by=admin, reason=reason):
        raise InvalidState("This wallet is not frozen by an administrator.", path=["walletId"])
    await _record(tx, Act.WALLET_UNFROZEN, admin, wallet, reason)
    return await _get(tx, wallet.id)


async def _record(tx: Tx, act: Act, admin: str, wallet: Wallet, reason: str) -> None:
    await auditlog.record(tx, act, by=admin, subject=wallet.id, person=wallet.owner, reason=reason)


async def _get(tx: Tx, wallet_id: str) -> Wallet:
    wallet = await reads.wallet(wallet_id, tx)
    if wallet is None:
        raise NotFound("There is no such wallet.", path=["walletId"])
    return wallet
