"""What is taken back of a deposit: its refunds and disputes write it here, and so wait for each other.

The operations themselves stand above: a deposit knows their ids and amounts, and no more.
"""

from domain.deposits import reads
from domain.deposits.documents import Deposit, Reclaim
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, move


async def reclaim(
    tx: Tx, deposit_id: str, operation: str, amount: int, *, actor: Actor, blocks: bool = False
) -> Deposit:
    """From now on `operation` takes `amount` of the deposit, in place of what it took before; 0 is nothing.

    `blocks`: while that is so, nothing of the deposit is refunded. Also where it was so before, the deposit
    is written: of two refunds that race, one sees the other.
    """
    deposit = await reads.get(deposit_id, tx)
    others = [reclaim for reclaim in deposit.reclaims if reclaim.operation != operation]
    mine = [Reclaim(operation=operation, amount=amount, blocks=blocks)] if amount or blocks else []
    reclaims = [reclaim.model_dump() for reclaim in (*others, *mine)]
    return await move(tx, deposit, deposit.status, actor=actor, changes={"reclaims": reclaims})
