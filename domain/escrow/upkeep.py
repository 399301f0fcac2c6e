"""What the sweep does with an escrow that nobody accepted in time: all the money goes back."""

from domain.escrow import reads
from domain.escrow.documents import Escrow
from domain.escrow.moves import all_back, pay
from domain.escrow.parties import WORKER
from domain.escrow.states import EscrowStatus
from domain.kernel.database import Tx, parse
from domain.kernel.due import claim_due
from domain.kernel.operations import Actor
from domain.runtime import Runtime


async def claim_next(runtime: Runtime) -> Escrow | None:
    """The escrow that is due longest, leased to the caller."""
    row = await claim_due(Escrow.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease)
    return None if row is None else parse(Escrow, row)


async def expire(runtime: Runtime, escrow: Escrow) -> None:
    """Unless it was answered meanwhile: what is accepted never expires."""

    async def work(tx: Tx) -> None:
        present = await reads.get(escrow.id, tx)
        if present.status is EscrowStatus.FUNDED and present.expires_at <= tx.now:
            back = all_back(present, by=WORKER, mutation="expireEscrow")
            await pay(
                tx,
                present,
                [back],
                actor=Actor.WORKER,
                by=WORKER,
                reason="nobody accepted it in time",
                ends_as=EscrowStatus.EXPIRED,
            )

    await runtime.database.transact(work)
