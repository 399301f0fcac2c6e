"""Asking for a refund, and taking that back: what is reserved and what is written are one transaction."""

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from domain import auditlog, deposits, ledger
from domain.auditlog import Act
from domain.deposits import Deposit, DepositStatus
from domain.gateway.amounts import Inexpressible, step, to_stripe
from domain.kernel.database import Tx
from domain.kernel.doorbell import DoorbellSilent
from domain.kernel.errors import DomainError, Forbidden, InvalidInput, InvalidState, NotFound
from domain.kernel.ids import new_id
from domain.kernel.money import Money, counted
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with
from domain.kernel.reasons import checked_reason
from domain.refunds import facts, postings, reads
from domain.refunds.documents import CANCELABLE, Refund, RefundOrigin, RefundStatus
from domain.runtime import Runtime

S = RefundStatus
SEND: Final = "send_refund"
"""The job that the bell rings for: `go_on`, with the refund's id as its subject."""


@dataclass(frozen=True)
class Asker:
    """Who asks. An administrator speaks for others' deposits, never for their own."""

    id: str
    is_admin: bool

    def acts_as(self, owner: str) -> Actor | None:
        """Owner or administrator; None for anybody else."""
        if self.id == owner:
            return Actor.OWNER
        return Actor.ADMIN if self.is_admin else None

    def admin_as(self, actor: Actor) -> str | None:
        """For the history, which names administrators."""
        return self.id if actor is Actor.ADMIN else None


@dataclass(frozen=True)
class RefundDeposit:
    """`amount`: minor units of what was paid; None: all that is left. `idempotency_key`: the caller's."""

    deposit_id: str
    amount: int | None
    reason: str | None
    idempotency_key: str


@dataclass(frozen=True)
class Requested:
    refund: Refund
    replayed: bool


async def request(runtime: Runtime, asker: Asker, command: RefundDeposit) -> Requested:
    """Reserve the money and write the refund; the same key answers with it as it is now.

    Raises InvalidInput, IdempotencyKeyReused, NotFound, Forbidden (one's own, and owners may not),
    InvalidState (nothing was paid, nothing is left, a dispute, the owner's time is over), WalletFrozen,
    InsufficientFunds: nothing is written then.
    """
    reason = checked_reason(command.reason)
    key = IdempotencyKey.of(
        actor=asker.id,
        mutation="refundDeposit",
        key=command.idempotency_key,
        fields={"depositId": command.deposit_id, "amount": command.amount, "reason": command.reason},
    )
    first = await first_with(Refund, key)
    if first is not None:
        return Requested(first, replayed=True)

    async def work(tx: Tx) -> Requested:
        first = await first_with(Refund, key, tx)
        if first is not None:
            return Requested(first, replayed=True)
        deposit = await _deposit(command.deposit_id, tx)
        actor = _actor(runtime, tx, asker, deposit)
        amount = check_amount(deposit, command.amount)
        refund = await _new(tx, deposit, amount, key, asker=asker, actor=actor, reason=reason)
        # Reserving writes the wallet, and this the deposit: two that race see each other's amounts.
        await deposits.reclaim(tx, deposit.id, refund.id, refund.amount, actor=actor)
        await ledger.post(tx, postings.reserved(refund, actor=actor.value))
        await refund.insert(session=tx.session)
        if actor is Actor.ADMIN:
            await _audit(tx, Act.REFUND_REQUESTED, asker, refund, reason)
        return Requested(refund, replayed=False)

    try:
        requested = await runtime.database.transact(work)
    except DomainError:
        # A copy may have come first, and what is missing now be what it reserved.
        first = await first_with(Refund, key)
        if first is None:
            raise
        return Requested(first, replayed=True)
    if not requested.replayed:
        await ring(runtime, requested.refund.id)
    return requested


async def cancel(runtime: Runtime, asker: Asker, refund_id: str, *, reason: str | None) -> Refund:
    """Give the money back to the wallet, if nothing was sent; again is no change.

    Raises NotFound, InvalidState, InvalidInput.
    """
    reason = checked_reason(reason)

    async def work(tx: Tx) -> Refund:
        refund = await reads.find(refund_id, tx)
        actor = None if refund is None else asker.acts_as(refund.owner)
        if refund is None or actor is None:
            raise NotFound("There is no such refund.", path=["id"])
        if refund.status is S.CANCELED and refund.sent is None:
            return refund
        if refund.status not in CANCELABLE:
            raise InvalidState("It is on its way, or over: it cannot be canceled any more.", path=["id"])
        if actor is Actor.ADMIN:
            await _audit(tx, Act.REFUND_CANCELED, asker, refund, reason)
        by = asker.admin_as(actor)
        return await facts.give_back(tx, refund, S.CANCELED, actor=actor, by=by, reason=reason)

    return await runtime.database.transact(work)


async def ring(runtime: Runtime, refund_id: str) -> None:
    """Have it sent now. Where the bell is silent, the sweep finds it."""
    with contextlib.suppress(DoorbellSilent):
        await runtime.doorbell.ring(SEND, refund_id)


def check_amount(deposit: Deposit, amount: int | None) -> int:
    """What is to be refunded: `amount`, or all that is left. Raises InvalidState, InvalidInput."""
    if not deposit.paid.amount:
        raise InvalidState("Nothing was paid into a wallet for this deposit.", path=["depositId"])
    if any(reclaim.blocks for reclaim in deposit.reclaims):
        raise InvalidState("The payment is disputed: the bank decides about it.", path=["depositId"])
    left = deposit.refundable
    if left == 0:
        raise InvalidState("All of this deposit has gone back.", path=["depositId"])
    wanted = left if amount is None else amount
    if not 1 <= wanted <= left:
        raise InvalidInput(f"Of this deposit 1 to {left} minor units can be refunded.", path=["amount"])
    try:
        to_stripe(Money(wanted, deposit.paid.currency))
    except Inexpressible as error:
        raise InvalidInput(str(error), path=["amount"]) from error
    return wanted


def refundable(deposit: Deposit, available: int) -> int:
    """What could be refunded now: what is left of it, as far as its wallet has it, in steps of Stripe's."""
    left = min(deposit.refundable, max(available, 0))
    return left - left % step(counted(deposit.paid.currency))


async def _deposit(deposit_id: str, tx: Tx) -> Deposit:
    try:
        return await deposits.get(deposit_id, tx)
    except LookupError as error:
        raise NotFound("There is no such deposit.", path=["depositId"]) from error


def _actor(runtime: Runtime, tx: Tx, asker: Asker, deposit: Deposit) -> Actor:
    """As whom the asker may refund it. Raises NotFound, Forbidden, InvalidState."""
    actor = asker.acts_as(deposit.owner)
    if actor is None:
        raise NotFound("There is no such deposit.", path=["depositId"])
    window = runtime.policy.owner_refund_window
    if actor is Actor.OWNER and not window:
        raise Forbidden("Only an administrator refunds, and nobody a deposit of their own.")
    paid_at = next(
        (change.at for change in deposit.history if change.status == DepositStatus.SUCCEEDED), None
    )
    if actor is Actor.OWNER and paid_at is not None and tx.now >= paid_at + window:
        raise InvalidState("The time to refund it oneself is over.", path=["depositId"])
    return actor


async def _new(
    tx: Tx,
    deposit: Deposit,
    amount: int,
    key: IdempotencyKey,
    *,
    asker: Asker,
    actor: Actor,
    reason: str | None,
) -> Refund:
    fields: dict[str, Any] = {"created_at": tx.now, "updated_at": tx.now, "next_attempt_at": tx.now}
    return Refund(
        id=new_id("rfd", at=tx.now),
        owner=deposit.owner,
        wallet=await facts.wallet_of(deposit, tx),
        amount=amount,
        currency=deposit.paid.currency,
        deposit=deposit.id,
        payment_intent=deposit.payment_intent_id or "",
        origin=RefundOrigin.PRODUCT,
        asked_by=asker.id,
        status=S.PENDING,
        history=[
            StatusChange(status=S.PENDING, at=tx.now, actor=actor, reason=reason, by=asker.admin_as(actor))
        ],
        idempotency=key,
        **fields,
    )


async def _audit(tx: Tx, act: Act, asker: Asker, refund: Refund, reason: str | None) -> None:
    await auditlog.record(tx, act, by=asker.id, subject=refund.id, person=refund.owner, reason=reason)
