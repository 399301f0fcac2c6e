"""A deposit's PaymentIntent at Stripe: asked for once, under a stored key, and what Stripe says of it."""

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from domain import customers
from domain.deposits import facts, reads
from domain.deposits.documents import OPEN, Deposit, DepositStatus
from domain.gateway import Attempt, Find, KeySpent, NotSendable, PaymentIntent, Refused, ask
from domain.gateway.amounts import to_stripe
from domain.kernel.database import Tx
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
    settled_as: Money | None = None,
) -> Deposit | None:
    """Write what Stripe says of `intent` to its deposit, if it has one, in one transaction. Safe to repeat.

    `settled_as`: what it became in Stripe's balance, for who knows.
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
            settled_as=settled_as,
        )

    return await runtime.database.transact(work)


async def abandon(runtime: Runtime, deposit_id: str) -> Deposit:
    """Cancel a deposit that certainly has no intent; one that may have is answered as it is."""

    async def work(tx: Tx) -> Deposit:
        deposit = await reads.get(deposit_id, tx)
        asked = deposit.attempt is not None and deposit.attempt.unknown
        if asked or deposit.payment_intent_id is not None or deposit.is_settled:
            return deposit
        cancellation = deposit.cancellation
        return await move(
            tx,
            deposit,
            DepositStatus.CANCELED,
            actor=Actor.WORKER if cancellation is None else cancellation.by,
            reason=None if cancellation is None else cancellation.reason,
            changes={"client_secret": None},
        )

    return await runtime.database.transact(work)


async def _number(runtime: Runtime, deposit: Deposit, customer: str, number: int) -> Deposit:
    """Store attempt `number`, its key and exact parameters, unless a racing call has."""
    parameters: dict[str, Any] = {
        "amount": to_stripe(Money(deposit.amount, deposit.currency)),
        "currency": deposit.currency.lower(),
        "customer": customer,
        "metadata": {"deposit_id": deposit.id, "user_id": deposit.owner},
        **_confirmation(runtime, deposit),
    }
    if deposit.save_method:
        parameters["setup_future_usage"] = "off_session"
    key = f"deposit:{deposit.id}:create:{number}"
    attempt = Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())
    before = None if deposit.attempt is None else deposit.attempt.key
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "attempt" if before is None else "attempt.key": before},
        {"$set": {"attempt": attempt.model_dump()}},
    )
    return await reads.get(deposit.id)


def _confirmation(runtime: Runtime, deposit: Deposit) -> dict[str, Any]:
    """How the intent is to be paid: by Stripe.js, or at once with a saved card."""
    saved = deposit.saved_card
    if saved is None:
        # Stripe.js shows the bank's question on the page itself, and has no use for a redirect of ours.
        return {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    return {
        "automatic_payment_methods": {"enabled": True},
        "confirm": True,
        "payment_method": saved.stripe_id,
        "return_url": runtime.cipher.decrypt(saved.return_url).decode(),
    }


async def _ask(runtime: Runtime, deposit: Deposit, customer: str) -> Deposit | None:
    """The deposit with Stripe's answer stored; None when somebody else is asking."""
    # To send again what charges a card at once could charge whom we promised not to.
    may_send = deposit.saved_card is None or deposit.cancellation is None

    async def send(attempt: Attempt, lease_until: datetime) -> PaymentIntent:
        if not may_send:
            return await _found_or_unsendable(find, attempt)
        return await runtime.gateway.create_payment_intent(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> PaymentIntent | None:
        # The Customer that was named then: another may have taken its place.
        asked_for = attempt.parameters(runtime.cipher)["customer"]
        return await runtime.gateway.find_payment_intent(
            customer=asked_for, since=attempt.made_at - CLOCK_SLACK, metadata={"deposit_id": deposit.id}
        )

    observed_at = runtime.now()
    try:
        intent = await ask(
            Deposit.get_pymongo_collection(),
            deposit.id,
            answer_field="payment_intent_id",
            # If somebody decided otherwise since it was read, it is read again.
            criteria={
                "status": {"$in": [status.value for status in OPEN]},
                "cancellation": None if deposit.cancellation is None else {"$ne": None},
            },
            send=send,
            find=find,
            check_circuit=runtime.gateway.check_circuit,
            now=runtime.now,
            lease=runtime.policy.lease,
            lookup_wait=runtime.policy.lookup_wait,
        )
    except Refused as refused:
        return await _refuse(runtime, deposit, refused)
    except KeySpent as spent:
        return await _begin_anew(runtime, deposit, customer, spent)
    if intent is None:
        return None
    await settle(runtime, _unproven(intent), observed_at=observed_at, actor=Actor.WORKER)
    return await reads.get(deposit.id)


async def _found_or_unsendable(find: Find[PaymentIntent], attempt: Attempt) -> PaymentIntent:
    found = await find(attempt)
    if found is None:
        raise NotSendable(f"{attempt.key} is only looked up")
    return found


async def _begin_anew(runtime: Runtime, deposit: Deposit, customer: str, spent: KeySpent) -> Deposit:
    """There certainly is no intent: the next key, or, for what is to be canceled, the end."""
    if deposit.attempt is None:
        raise spent
    if deposit.cancellation is None:
        await _number(runtime, deposit, customer, int(deposit.attempt.key.rpartition(":")[2]) + 1)
        raise spent
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "attempt.key": deposit.attempt.key}, {"$set": {"attempt.unknown": False}}
    )
    return await abandon(runtime, deposit.id)


def _unproven(intent: PaymentIntent) -> PaymentIntent:
    """What our own call answers credits nothing: the verified event does, or what the sweep reads."""
    return replace(intent, status="processing") if intent.status == "succeeded" else intent


async def _refuse(runtime: Runtime, deposit: Deposit, refused: Refused) -> Deposit:
    """Stripe will have no such intent, and has none: the deposit is over before it began."""
    failure = Failure(code=refused.code, message=refused.message, decline_code=refused.decline_code)

    async def work(tx: Tx) -> Deposit:
        current = await reads.get(deposit.id, tx)
        if current.is_settled or current.payment_intent_id is not None:
            return current  # Stripe spoke of an intent meanwhile, somebody else's perhaps
        return await move(
            tx,
            current,
            DepositStatus.CANCELED,
            actor=Actor.WORKER,
            reason=refused.code,
            changes={"failure": failure.model_dump(), "client_secret": None},
        )

    return await runtime.database.transact(work)
