"""Which entry of a withdrawal a movement of Stripe's balance is about, for whoever reads that balance."""

from dataclasses import dataclass

from domain.gateway import Refused, Transfer
from domain.kernel.database import parse
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.runtime import Runtime
from domain.withdrawals import postings, reads, sending
from domain.withdrawals.documents import Withdrawal


@dataclass(frozen=True)
class Booking:
    """`amount`, signed, came to Stripe by the entry with the ref `entry`."""

    withdrawal: str
    entry: str
    amount: Money


async def booking_of_transfer(runtime: Runtime, transfer_id: str) -> Booking | None:
    """Of a transfer that left; None when it is no withdrawal's. Raises StripeTrouble."""
    withdrawal = await _withdrawal_with(runtime, transfer_id)
    sent = None if withdrawal is None else withdrawal.transfer(transfer_id)
    if withdrawal is None or sent is None:
        return None
    entry = postings.sent_ref(withdrawal.id, sent)
    return Booking(withdrawal.id, entry, Money(-sent.amount, withdrawal.currency))


async def booking_of_reversal(runtime: Runtime, transfer_id: str, reversal_id: str) -> Booking | None:
    """Of what came back of a transfer. Raises StripeTrouble."""
    withdrawal = await _withdrawal_with(runtime, transfer_id, reversal_id)
    sent = None if withdrawal is None else withdrawal.transfer(transfer_id)
    if withdrawal is None or sent is None:
        return None
    for number, reversal in enumerate(sent.reversals):
        if reversal.id == reversal_id:
            entry = postings.reversed_ref(withdrawal.id, sent, number)
            return Booking(withdrawal.id, entry, Money(reversal.amount, withdrawal.currency))
    return None


async def _withdrawal_with(
    runtime: Runtime, transfer_id: str, reversal_id: str | None = None
) -> Withdrawal | None:
    """The withdrawal that knows the transfer, and the reversal; told of them where nobody has."""
    row = await Withdrawal.get_pymongo_collection().find_one({"transfers.id": transfer_id})
    withdrawal = None if row is None else parse(Withdrawal, row)
    sent = None if withdrawal is None else withdrawal.transfer(transfer_id)
    if sent is not None and reversal_id in {None, *(reversal.id for reversal in sent.reversals)}:
        return withdrawal
    try:
        transfer = await runtime.gateway.transfer(transfer_id)
    except Refused:
        return withdrawal
    withdrawal_id = withdrawal.id if withdrawal is not None else await _claimed(transfer)
    if withdrawal_id is None:
        return None
    return await sending.record(runtime, withdrawal_id, transfer, actor=Actor.WORKER)


async def _claimed(transfer: Transfer) -> str | None:
    """The withdrawal that the transfer says it is for, if there is one."""
    claimed = await reads.find(transfer.metadata.get("withdrawal_id", ""))
    return None if claimed is None else claimed.id
