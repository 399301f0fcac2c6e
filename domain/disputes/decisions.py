"""What an administrator decides about a dispute, never about their own: that the platform bears the loss."""

from dataclasses import dataclass

from domain import auditlog, ledger, withdrawals
from domain.auditlog import Act
from domain.disputes import postings, reads
from domain.disputes.documents import Dispute, WriteOff
from domain.kernel.database import Tx
from domain.kernel.errors import Forbidden, InvalidInput, InvalidState, NotFound
from domain.kernel.operations import Actor, move
from domain.kernel.reasons import needed_reason
from domain.ledger import FreezeCause, Wallet
from domain.runtime import Runtime


@dataclass(frozen=True)
class WriteOffDispute:
    """`amount`: minor units; None is all that is owed. `reason`: 1 to 500 characters, kept on record."""

    dispute_id: str
    reason: str
    amount: int | None = None


async def write_off(runtime: Runtime, admin: str, command: WriteOffDispute) -> Dispute:
    """Pay the wallet's debt for this dispute out of the platform's losses; the same again is no change.

    Raises InvalidInput (no reason, more than is owed), NotFound, Forbidden (one's own), InvalidState (nothing
    is owed; another dispute of the wallet is open; it was written off with another amount, or in part where
    all is meant).
    """
    reason = needed_reason(command.reason)

    async def work(tx: Tx) -> Dispute:
        dispute = await _others(tx, admin, command.dispute_id)
        if dispute.write_off is not None:
            return _written_off_before(dispute, dispute.write_off, command.amount)
        owed = await _owed(tx, dispute)
        amount = _amount(owed, command.amount)
        made = WriteOff(amount=amount, in_part=amount < owed, by=admin, reason=reason, at=tx.now)
        await ledger.post(tx, postings.written_off(dispute, made, actor=Actor.ADMIN.value))
        await withdrawals.wake(tx, dispute.owner)
        await auditlog.record(
            tx,
            Act.DISPUTE_WRITTEN_OFF,
            by=admin,
            subject=dispute.id,
            person=dispute.owner,
            reason=reason,
        )
        changes = {"write_off": made.model_dump()}
        return await move(tx, dispute, dispute.status, actor=Actor.ADMIN, changes=changes)

    dispute = await runtime.database.transact(work)
    await withdrawals.ring_woken(runtime, dispute.owner)
    return dispute


async def _others(tx: Tx, admin: str, dispute_id: str) -> Dispute:
    dispute = await reads.find(dispute_id, tx)
    if dispute is None:
        raise NotFound("There is no such dispute.", path=["id"])
    if dispute.owner == admin:
        raise Forbidden("Nobody decides about a dispute of their own.")
    return dispute


def _written_off_before(dispute: Dispute, made: WriteOff, amount: int | None) -> Dispute:
    """`amount` None: all that was owed."""
    if made.in_part if amount is None else amount != made.amount:
        message = f"It was written off already, with {dispute.written_off} minor units."
        raise InvalidState(message, path=["amount"])
    return dispute


async def _owed(tx: Tx, dispute: Dispute) -> int:
    """What the wallet owes, as far as this dispute is why. Raises InvalidState for nothing."""
    wallet = await ledger.wallet(dispute.wallet, tx)
    debt = 0 if wallet is None or not dispute.in_wallet else wallet.uncovered
    owed = min(debt, dispute.outstanding)
    if not owed:
        raise InvalidState("Nothing is owed for this dispute.", path=["id"])
    if wallet is not None and _is_disputed_otherwise(wallet, dispute):
        # What that gives back would pay the same debt, and be the owner's a second time.
        raise InvalidState("Another payment into this wallet is disputed: wait for its end.", path=["id"])
    return owed


def _is_disputed_otherwise(wallet: Wallet, dispute: Dispute) -> bool:
    return any(
        freeze.cause is FreezeCause.DISPUTE and freeze.operation != dispute.id for freeze in wallet.freezes
    )


def _amount(owed: int, amount: int | None) -> int:
    amount = owed if amount is None else amount
    if not 1 <= amount <= owed:
        raise InvalidInput(f"Of this dispute, 1 to {owed} minor units can be written off.", path=["amount"])
    return amount
