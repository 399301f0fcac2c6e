"""Canceling what nobody paid: its owner asks for it, or its time is over. A racing payment wins."""

from dataclasses import dataclass

from domain.deposits import asking, intents, reads, sessions
from domain.deposits.documents import Cancellation, Deposit, DepositStatus
from domain.gateway import StripeTrouble
from domain.kernel.database import CommitUnknown, Tx
from domain.kernel.errors import InvalidState, NotFound, PaymentProviderUnavailable
from domain.kernel.operations import Actor, move
from domain.runtime import Runtime

_NOT_OPEN = {
    DepositStatus.PROCESSING: "This deposit is being processed, and can no longer be canceled.",
    DepositStatus.SUCCEEDED: "This deposit is paid, and can no longer be canceled.",
    DepositStatus.NEEDS_REVIEW: "An administrator looks at what was received for this deposit.",
}
# In Stripe's words.
_REASONS = {Actor.OWNER: "requested_by_customer", Actor.WORKER: "abandoned"}


@dataclass(frozen=True)
class Canceled:
    """`refusal`: why the deposit is not canceled, or not yet."""

    deposit: Deposit
    refusal: InvalidState | PaymentProviderUnavailable | None = None


async def cancel(runtime: Runtime, owner: str, deposit_id: str) -> Canceled:
    """Cancel one's own deposit; again is no change. Raises NotFound.

    Where Stripe cannot be asked, the wish is kept and carried out later.
    """
    deposit = await reads.find(deposit_id)
    if deposit is None or deposit.owner != owner:
        raise NotFound("There is no such deposit.", path=["id"])
    try:
        deposit = await request(runtime, deposit_id, by=Actor.OWNER, reason="canceled by its owner")
        deposit = await carry_out(runtime, deposit)
    except (StripeTrouble, CommitUnknown):
        deposit = await reads.get(deposit_id)
    if deposit.status is DepositStatus.CANCELED:
        return Canceled(deposit)
    if deposit.status in _NOT_OPEN:
        return Canceled(deposit, InvalidState(_NOT_OPEN[deposit.status], path=["id"]))
    return Canceled(
        deposit,
        PaymentProviderUnavailable(
            "The payment provider cannot be reached now. The deposit is canceled as soon as it can be."
        ),
    )


async def request(runtime: Runtime, deposit_id: str, *, by: Actor, reason: str) -> Deposit:
    """Write the wish down, if the deposit is open and nobody had it before."""

    async def work(tx: Tx) -> Deposit:
        deposit = await reads.get(deposit_id, tx)
        if not deposit.is_open or deposit.cancellation is not None:
            return deposit
        wish = Cancellation(by=by, reason=reason, at=tx.now)
        changes = {"cancellation": wish.model_dump(), "next_attempt_at": tx.now + runtime.policy.lease}
        return await move(tx, deposit, deposit.status, actor=by, changes=changes)

    return await runtime.database.transact(work)


async def carry_out(runtime: Runtime, deposit: Deposit) -> Deposit:
    """Have Stripe cancel what is to be canceled. Raises StripeTrouble: then it is to be tried again.

    What is not canceled after that was paid, or is being paid: the deposit says so.
    """
    if deposit.cancellation is None or not deposit.is_open:
        return deposit
    if not deposit.is_made:
        deposit = await asking.abandon(runtime, deposit.id)
    deposit = await asking.ensure(runtime, deposit)
    if deposit.cancellation is None or not deposit.is_open:
        return deposit
    if deposit.checkout is not None and deposit.checkout.session_id is not None:
        # Its intent cannot be canceled while the page is open, nor after.
        fact = await sessions.expire(runtime, deposit.checkout.session_id)
        await sessions.settle(runtime, fact, actor=Actor.WORKER)
    elif deposit.payment_intent_id is not None:
        await _cancel_intent(runtime, deposit.payment_intent_id, by=deposit.cancellation.by)
    return await reads.get(deposit.id)


async def _cancel_intent(runtime: Runtime, intent_id: str, *, by: Actor) -> None:
    observed_at = runtime.now()
    reason = _REASONS.get(by, "requested_by_customer")
    intent = await runtime.gateway.cancel_payment_intent(intent_id, reason=reason)
    await intents.settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)
