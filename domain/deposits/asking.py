"""Having Stripe make what a deposit is paid by: once, under a stored key, however often it is cut off."""

import asyncio
import random
from typing import Any, Final

from domain import customers
from domain.deposits import intents, reads, sessions
from domain.deposits.documents import NO_SECRETS, OPEN, Deposit, DepositStatus
from domain.deposits.questions import Question
from domain.gateway import Attempt, KeySpent, Refused, ask
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, Failure, move
from domain.runtime import Runtime

POLL_S: Final = 0.05


async def ensure(runtime: Runtime, deposit: Deposit) -> Deposit:
    """The deposit with its intent, or its page, asked for under the stored key. Raises StripeTrouble."""
    while deposit.is_open and not deposit.is_made:
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


async def abandon(runtime: Runtime, deposit_id: str) -> Deposit:
    """Cancel a deposit that certainly cannot be paid; one that may be is answered as it is."""

    async def work(tx: Tx) -> Deposit:
        deposit = await reads.get(deposit_id, tx)
        asked = deposit.attempt is not None and deposit.attempt.unknown
        if asked or _is_known(deposit) or deposit.is_settled:
            return deposit
        cancellation = deposit.cancellation
        return await move(
            tx,
            deposit,
            DepositStatus.CANCELED,
            actor=Actor.WORKER if cancellation is None else cancellation.by,
            reason=None if cancellation is None else cancellation.reason,
            changes=NO_SECRETS,
        )

    return await runtime.database.transact(work)


def _question(runtime: Runtime, deposit: Deposit) -> Question[Any]:
    if deposit.checkout is None:
        return intents.question(runtime, deposit)
    return sessions.question(runtime, deposit, deposit.checkout)


def _is_known(deposit: Deposit) -> bool:
    """Whether Stripe spoke of it, be it by the intent behind a page of which we have not heard."""
    return deposit.is_made or deposit.payment_intent_id is not None


async def _number(runtime: Runtime, deposit: Deposit, customer: str, number: int) -> Deposit:
    """Store attempt `number`, its key and exact parameters, unless a racing call has."""
    question = _question(runtime, deposit)
    key = f"deposit:{deposit.id}:{question.step}:{number}"
    parameters = dict(question.parameters(customer))
    attempt = Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())
    before = None if deposit.attempt is None else deposit.attempt.key
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "attempt" if before is None else "attempt.key": before},
        {"$set": {"attempt": attempt.model_dump()}},
    )
    return await reads.get(deposit.id)


async def _ask(runtime: Runtime, deposit: Deposit, customer: str) -> Deposit | None:
    """The deposit with Stripe's answer stored; None when somebody else is asking."""
    question = _question(runtime, deposit)
    observed_at = runtime.now()
    try:
        made = await ask(
            Deposit.get_pymongo_collection(),
            deposit.id,
            answer_field=question.answer_field,
            # If somebody decided otherwise since it was read, it is read again.
            criteria={
                "status": {"$in": [status.value for status in OPEN]},
                "cancellation": None if deposit.cancellation is None else {"$ne": None},
            },
            send=question.send,
            find=question.find,
            check_circuit=runtime.gateway.check_circuit,
            now=runtime.now,
            lease=runtime.policy.lease,
            lookup_wait=runtime.policy.lookup_wait,
        )
    except Refused as refused:
        return await _refuse(runtime, deposit, refused)
    except KeySpent as spent:
        return await _begin_anew(runtime, deposit, customer, spent)
    if made is None:
        return None
    await question.store(made, observed_at)
    return await reads.get(deposit.id)


async def _begin_anew(runtime: Runtime, deposit: Deposit, customer: str, spent: KeySpent) -> Deposit:
    """There certainly is nothing: the next key, or, for what is to be canceled, the end."""
    if deposit.attempt is None:
        raise spent
    if deposit.cancellation is None:
        await _number(runtime, deposit, customer, int(deposit.attempt.key.rpartition(":")[2]) + 1)
        raise spent
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "attempt.key": deposit.attempt.key}, {"$set": {"attempt.unknown": False}}
    )
    return await abandon(runtime, deposit.id)


async def _refuse(runtime: Runtime, deposit: Deposit, refused: Refused) -> Deposit:
    """Stripe will make no such thing, and has not: the deposit is over before it began."""
    failure = Failure(code=refused.code, message=refused.message, decline_code=refused.decline_code)

    async def work(tx: Tx) -> Deposit:
        current = await reads.get(deposit.id, tx)
        if current.is_settled or _is_known(current):
            return current  # Stripe spoke of it meanwhile, to somebody else perhaps
        return await move(
            tx,
            current,
            DepositStatus.CANCELED,
            actor=Actor.WORKER,
            reason=refused.code,
            changes={"failure": failure.model_dump(), **NO_SECRETS},
        )

    return await runtime.database.transact(work)
