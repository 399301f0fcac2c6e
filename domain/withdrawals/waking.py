"""What a withdrawal waited for has come: it is due now, and a worker hears of it."""

from functools import partial
from typing import Any, Final

from domain import ledger, onboarding
from domain.kernel.database import Tx
from domain.ledger import Wallet, WalletDecision
from domain.onboarding import ConnectAccount
from domain.runtime import Runtime
from domain.sending import Hindrance
from domain.withdrawals.documents import Withdrawal
from domain.withdrawals.service import ring

# What is beyond, the sweep does: a hundred bells at once wake every worker.
RINGS_MAX: Final = 100


async def unfreeze_wallet(runtime: Runtime, admin: str, decision: WalletDecision) -> Wallet:
    """Take back what an administrator froze, and have sent what waited for that.

    Raises what ledger.unfreeze_wallet raises.
    """

    async def work(tx: Tx) -> Wallet:
        wallet = await ledger.unfreeze_wallet(tx, admin, decision)
        await wake(tx, wallet.owner)
        return wallet

    wallet = await runtime.database.transact(work)
    await ring_woken(runtime, wallet.owner)
    return wallet


async def look_at_account(runtime: Runtime, account: ConnectAccount) -> None:
    """What the sweep does with an account that is due; what waited for it may go, though no event said so."""
    await onboarding.look_again(runtime, account)
    await wake_owner(runtime, account.owner)


async def wake_owner(runtime: Runtime, owner: str) -> None:
    """As `wake`, for whoever has read the account at Stripe without being told to."""
    await runtime.database.transact(partial(wake, owner=owner))
    await ring_woken(runtime, owner)


async def wake(tx: Tx, owner: str) -> None:
    """The owner's account or wallet has changed: what waited for that is due now."""
    await Withdrawal.get_pymongo_collection().update_many(
        _waiting(owner),
        {"$set": {"next_attempt_at": tx.now}},
        session=tx.session,
    )


async def wake_for_funds(tx: Tx) -> int:
    """Stripe says that money of the platform's became available. How many waited for it."""
    woken = await Withdrawal.get_pymongo_collection().update_many(
        _waiting(None), {"$set": {"next_attempt_at": tx.now}}, session=tx.session
    )
    return woken.modified_count


async def ring_woken(runtime: Runtime, owner: str | None) -> None:
    """Once the waking has committed: the sweep would come for it too, but later.

    `owner`: of whom; None: whoever waited for funds.
    """
    due = _waiting(owner) | {"next_attempt_at": {"$lte": runtime.now()}}
    rows = Withdrawal.get_pymongo_collection().find(due, {"_id": 1}).limit(RINGS_MAX)
    for withdrawal_id in [row["_id"] async for row in rows]:
        await ring(runtime, withdrawal_id)


def _waiting(owner: str | None) -> dict[str, Any]:
    if owner is None:
        return {"hindrance": Hindrance.FUNDS.value}
    return {"owner": owner, "hindrance": {"$in": [Hindrance.ACCOUNT.value, Hindrance.FREEZE.value]}}
