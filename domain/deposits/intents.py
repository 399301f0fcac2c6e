"""A deposit's PaymentIntent at Stripe: asked for once, under a stored key, and what Stripe says of it."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any, Final

from domain import customers
from domain.deposits import facts, reads
from domain.deposits.documents import Deposit, DepositStatus
from domain.gateway import Attempt, KeySpent, PaymentIntent, Refused, ask
from domain.gateway.amounts import to_stripe
from domain.kernel.database import Tx, parse
from domain.kernel.money import Money
from domain.kernel.operations import Actor, Failure, move
from domain.runtime import Runtime

POLL_S: Final = 0.05
CLOCK_SLACK: Final = timedelta(minutes=5)


async def ensure(runtime: Runtime, deposit: Deposit) -> Deposit:
    """The deposit with its PaymentIntent, asked for under the stored key. Raises StripeTrouble."""
    while deposit.payment_intent_id is None and not deposit.is_settled:
        try:
            customer = await customers.ensure(runtime, deposit.owner)
        except Refused as refused:
            return await _refuse(runtime, deposit, refused)
        if deposit.attempt is None:
            deposit = await _number(runtime, deposit, customer, 1)
        answered = await _ask(runtime, deposit, customer)
        if answered is not None:
            return answered
        # A racing call is asking: its answer is ours.
        await asyncio.sleep(random.uniform(POLL_S, 2 * POLL_S))  # noqa: S311 - jitter, not a secret
        deposit = await reads.get(deposit.id)
    return deposit


async def settle(
    runtime: Runtime,
    intent: PaymentIntent,
    *,
    observed_at: datetime,
    actor: Actor,
    settlement: Money | None = None,
) -> Deposit | None:
    """Write what Stripe says of `intent` to its deposit, if it has one, in one transaction. Safe to repeat.

    `settlement`: what it became in Stripe's balance, for who knows.
    """

    async def work(tx: Tx) -> Deposit | None:
        deposit = await facts.find_for(tx, intent)
        if deposit is None:
            return None
        return await facts.record(
            tx,
            deposit,
            intent,
            observed_at=observed_at,
            actor=actor,
            cipher=runtime.cipher,
            settlement=settlement,
        )

    return await runtime.database.transact(work)


async def _number(runtime: Runtime, deposit: Deposit, customer: str, number: int) -> Deposit:
    """Store attempt `number`, its key and exact parameters, unless a racing call has."""
    parameters: dict[str, Any] = {
        "amount": to_stripe(Money(deposit.amount, deposit.currency)),
        "currency": deposit.currency.lower(),
        "customer": customer,
        # The card is confirmed by Stripe.js, which has no use for a redirect of ours.
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"deposit_id": deposit.id, "user_id": deposit.owner},
    }
    key = f"deposit:{deposit.id}:create:{number}"
    attempt = Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())
    before = None if deposit.attempt is None else deposit.attempt.key
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "attempt" if before is None else "attempt.key": before},
        {"$set": {"attempt": attempt.model_dump()}},
    )
    return await reads.get(deposit.id)


async def _ask(runtime: Runtime, deposit: Deposit, customer: str) -> Deposit | None:
    """The deposit with Stripe's answer stored; None when somebody else is asking."""

    async def send(attempt: Attempt, lease_until: datetime) -> PaymentIntent:
        return await runtime.gateway.create_payment_intent(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> PaymentIntent | None:
        return await runtime.gateway.find_payment_intent(
            customer=customer, since=attempt.made_at - CLOCK_SLACK, metadata={"deposit_id": deposit.id}
        )

    observed_at = runtime.now()
    try:
        intent = await ask(
            Deposit.get_pymongo_collection(),
            deposit.id,
            answer_field="payment_intent_id",
            send=send,
            find=find,
            now=runtime.now,
            lease=runtime.policy.lease,
        )
    except Refused as refused:
        return await _refuse(runtime, deposit, refused)
    except KeySpent as spent:
        if deposit.attempt is not None:
            await _number(runtime, deposit, customer, int(deposit.attempt.key.rpartition(":")[2]) + 1)
        raise spent from None
    if intent is None:
        return None
    await settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)
    return await reads.get(deposit.id)


async def _refuse(runtime: Runtime, deposit: Deposit, refused: Refused) -> Deposit:
    """Stripe will have no such intent, and has none: the deposit is over before it began."""
    failure = Failure(code=refused.code, message=refused.message, decline_code=refused.decline_code)

    async def work(tx: Tx) -> Deposit:
        present = await Deposit.get_pymongo_collection().find_one({"_id": deposit.id}, session=tx.session)
        current = parse(Deposit, present or {})
        if current.is_settled:
            return current
        return await move(
            tx,
            current,
            DepositStatus.CANCELED,
            actor=Actor.WORKER,
            reason=refused.code,
            changes={"failure": failure.model_dump(), "client_secret": None},
        )

    return await runtime.database.transact(work)
