"""What an administrator decides about money that was not agreed: into the wallet, or back to the card.

It waits in platform:unexplained, one receipt for each PaymentIntent, and leaves it by one entry.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain import auditlog, ledger
from domain.auditlog import Act
from domain.deposits import reads, receipts
from domain.deposits.documents import Deposit, Receipt, Resolution, ReviewOutcome
from domain.gateway import Attempt, KeySpent, Refund, Refused, StripeTrouble, ask
from domain.gateway.amounts import to_stripe
from domain.kernel.database import CommitUnknown, Tx
from domain.kernel.errors import Forbidden, InvalidState, NotFound, PaymentProviderUnavailable
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.reasons import needed_reason
from domain.runtime import Runtime

CLOCK_SLACK: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class ResolveDeposit:
    """`reason`: 1 to 500 characters, for the audit trail.

    `payment_intent_id`: whose receipt is meant. Needed where there are several: who repeats a call, for its
    answer was lost, must not decide about the next one.
    """

    deposit_id: str
    outcome: ReviewOutcome
    reason: str
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class Resolved:
    """`refusal`: why the deposit is not resolved, or not yet."""

    deposit: Deposit
    refusal: InvalidState | PaymentProviderUnavailable | None = None


async def resolve(runtime: Runtime, admin: str, command: ResolveDeposit) -> Resolved:
    """Decide about a receipt that waits; the same decision again is no change.

    Raises InvalidInput, NotFound, InvalidState (nothing waits, it was decided otherwise, which is meant is
    not clear, it is disputed, or is to be credited and was refunded at Stripe), Forbidden (one's own
    deposit), PaymentProviderUnavailable (whether it was refunded cannot be asked). Where Stripe cannot be
    asked for a refund, the decision stands and is carried out later.
    """
    deposit = await _decide(runtime, admin, command)
    if deposit.refund_under_way is None:
        return Resolved(deposit)
    try:
        return Resolved(await carry_out(runtime, deposit))
    except Refused as refused:
        message = f"Stripe refuses the refund: {refused.message}"
        return Resolved(await reads.get(deposit.id), InvalidState(message, path=["outcome"]))
    except (StripeTrouble, CommitUnknown):
        unavailable = PaymentProviderUnavailable(
            "The payment provider cannot be reached now. The refund is made as soon as it can be."
        )
        return Resolved(await reads.get(deposit.id), unavailable)


async def carry_out(runtime: Runtime, deposit: Deposit) -> Deposit:
    """Have Stripe make the refund that was decided, and book it. Raises StripeTrouble: to be tried again.

    Refused: the decision is taken back, and the receipt waits again.
    """
    receipt = deposit.refund_under_way
    if receipt is None or receipt.resolution is None:
        return deposit
    resolution = receipt.resolution
    try:
        refund = await _refund(runtime, deposit, receipt, resolution)
    except Refused:
        await runtime.database.transact(lambda tx: receipts.take_back(tx, deposit.id, resolution))
        raise
    if refund is None:  # somebody else is asking
        return await reads.get(deposit.id)
    made = refund
    return await runtime.database.transact(lambda tx: receipts.refunded(tx, deposit.id, resolution, made))


async def _decide(runtime: Runtime, admin: str, command: ResolveDeposit) -> Deposit:
    """Write the decision down; a credit is booked with it."""
    reason = needed_reason(command.reason)
    found = await reads.find(command.deposit_id)
    if found is None:
        raise NotFound("There is no such deposit.", path=["id"])
    if found.owner == admin:
        raise Forbidden("Nobody decides about a deposit of their own.")
    waiting = _meant(found, command)
    if waiting is None or waiting.resolution is not None:
        return _decided_before(found, waiting, command.outcome)
    wallet = None
    if command.outcome is ReviewOutcome.CREDIT:
        await _check_unrefunded(runtime, waiting)
        # Before the transaction, for it makes the wallet where there is none in this currency.
        wallet = await ledger.open_wallet(found.owner, waiting.currency)
    resolution = Resolution(
        id=new_id("rsl"), outcome=command.outcome, by=admin, reason=reason, at=runtime.now()
    )

    async def work(tx: Tx) -> Deposit:
        deposit = await reads.get(found.id, tx)
        receipt = deposit.receipt_of(waiting.payment_intent_id)
        busy = deposit.refund_under_way is not None
        if busy or receipt is None or receipt.resolution is not None:
            return _decided_before(deposit, receipt, command.outcome)
        _check_undisputed(deposit)
        act = Act.DEPOSIT_RESOLVED
        await auditlog.record(tx, act, by=admin, subject=deposit.id, person=deposit.owner, reason=reason)
        if wallet is not None:
            return await receipts.credit(tx, deposit, receipt, resolution, wallet.id)
        changes = {
            "attempt": _attempt(runtime, deposit.id, receipt, resolution, 1).model_dump(),
            "lease_until": None,  # the intent's, should it not have run out: that question is answered
            "next_attempt_at": tx.now + runtime.policy.lease,
        }
        return await receipts.decide_refund(tx, deposit, receipt, resolution, changes)

    return await runtime.database.transact(work)


def _meant(deposit: Deposit, command: ResolveDeposit) -> Receipt | None:
    """The receipt to decide about; None when none was received. Raises NotFound, InvalidState."""
    if command.payment_intent_id is None and len(deposit.receipts) > 1:
        raise InvalidState(
            "Several payments were received for this deposit: name the one that is meant.",
            path=["paymentIntentId"],
        )
    if command.payment_intent_id is None:
        return next(iter(deposit.receipts), None)
    receipt = deposit.receipt_of(command.payment_intent_id)
    if receipt is None:
        raise NotFound("No such payment was received for this deposit.", path=["paymentIntentId"])
    return receipt


def _check_undisputed(deposit: Deposit) -> None:
    """Raises InvalidState for money that a dispute has taken, or may take: it is not there to be given."""
    if deposit.disputed or any(reclaim.blocks for reclaim in deposit.reclaims):
        raise InvalidState("The payment is disputed: its bank has the money, or may take it.", path=["id"])


async def _check_unrefunded(runtime: Runtime, receipt: Receipt) -> None:
    """Raises InvalidState for what somebody has sent back at Stripe: it is there no more."""
    try:
        refunds = await runtime.gateway.refunds(payment_intent=receipt.payment_intent_id)
    except StripeTrouble as trouble:
        raise PaymentProviderUnavailable(
            "Whether it was refunded cannot be asked now. Nothing has changed; try again."
        ) from trouble
    if any(not refund.came_back for refund in refunds):
        raise InvalidState("It was refunded at Stripe: refund there what is left of it.", path=["outcome"])


def _decided_before(deposit: Deposit, receipt: Receipt | None, outcome: ReviewOutcome) -> Deposit:
    """Raises InvalidState unless the same was decided about it."""
    if receipt is None:
        raise InvalidState("Nothing was received for this deposit that was not agreed.", path=["id"])
    if receipt.resolution is None:
        raise InvalidState("Another payment of this deposit is being sent back: wait for that.", path=["id"])
    if receipt.resolution.outcome is not outcome:
        raise InvalidState("It was decided otherwise.", path=["outcome"])
    return deposit


def _attempt(
    runtime: Runtime, deposit_id: str, receipt: Receipt, resolution: Resolution, number: int
) -> Attempt:
    parameters = {
        "payment_intent": receipt.payment_intent_id,
        "amount": to_stripe(Money(receipt.amount, receipt.currency)),
        "metadata": {"deposit_id": deposit_id, "resolution_id": resolution.id},
    }
    key = f"deposit:{deposit_id}:refund:{resolution.id}:{number}"
    return Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())


async def _refund(
    runtime: Runtime, deposit: Deposit, receipt: Receipt, resolution: Resolution
) -> Refund | None:
    """Stripe's refund under the stored key; None when somebody else is asking. Raises StripeTrouble."""

    async def send(attempt: Attempt, lease_until: datetime) -> Refund:
        return await runtime.gateway.create_refund(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> Refund | None:
        return await runtime.gateway.find_refund(
            payment_intent=receipt.payment_intent_id,
            amount=Money(receipt.amount, receipt.currency),
            since=attempt.made_at - CLOCK_SLACK,
            metadata={"resolution_id": resolution.id},
        )

    deposits = Deposit.get_pymongo_collection()
    try:
        refund = await ask(
            deposits,
            deposit.id,
            send=send,
            find=find,
            check_circuit=runtime.gateway.check_circuit,
            now=runtime.now,
            lease=runtime.policy.lease,
            lookup_wait=runtime.policy.lookup_wait,
        )
    except KeySpent:
        if deposit.attempt is not None:
            number = int(deposit.attempt.key.rpartition(":")[2]) + 1
            following = _attempt(runtime, deposit.id, receipt, resolution, number)
            await deposits.update_one(
                {"_id": deposit.id, "attempt.key": deposit.attempt.key},
                {"$set": {"attempt": following.model_dump()}},
            )
        raise
    if refund is not None and refund.came_back:
        raise Refused(refund.status, f"it has {refund.status}.")
    return refund
