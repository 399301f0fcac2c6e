"""Deposits' verbs. Intent, question, answer: written down, asked under the intent's key, written down."""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from domain import customers, ledger
from domain.deposits import facts
from domain.deposits.documents import Deposit, DepositStatus
from domain.gateway import Attempt, KeySpent, PaymentIntent, Refused, StripeTrouble, ask
from domain.gateway.amounts import to_stripe
from domain.kernel.database import CommitUnknown, Tx, parse
from domain.kernel.due import claim_due
from domain.kernel.errors import InvalidInput, PaymentDeclined, PaymentProviderUnavailable, WalletFrozen
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.operations import Actor, Failure, IdempotencyKey, StatusChange, move
from domain.ledger import FreezeCause
from domain.runtime import Runtime

POLL_S: Final = 0.05
CLOCK_SLACK: Final = timedelta(minutes=5)
# Far beyond any longest pause, and far below where a timedelta overflows.
DOUBLINGS_MAX: Final = 20


@dataclass(frozen=True)
class CreateDeposit:
    """`amount`: minor units of `currency`. `idempotency_key`: the caller's, one per intention."""

    amount: int
    currency: str
    idempotency_key: str


@dataclass(frozen=True)
class Created:
    """`refusal`: why the deposit, which stands, cannot be paid yet, or ever."""

    deposit: Deposit
    replayed: bool
    refusal: PaymentProviderUnavailable | PaymentDeclined | None = None


async def create(runtime: Runtime, owner: str, command: CreateDeposit) -> Created:
    """Write the deposit and ask Stripe for its PaymentIntent; the same key answers like the first time.

    Raises InvalidInput, IdempotencyKeyReused, WalletFrozen: nothing is written then.
    """
    _validate(runtime, command)
    key = IdempotencyKey.of(
        actor=owner,
        mutation="createDeposit",
        key=command.idempotency_key,
        fields={"amount": command.amount, "currency": command.currency},
    )
    deposit = await _first_with(key)
    replayed = deposit is not None
    if deposit is None:
        deposit, replayed = await _intend(runtime, owner, command, key)
    try:
        deposit = await ensure_intent(runtime, deposit)
    except (StripeTrouble, CommitUnknown):
        # What became of it is in the database; a replay, or the sweep, goes on from there.
        deposit = await get(deposit.id)
        return Created(deposit, replayed, None if deposit.payment_intent_id else _unavailable())
    return Created(deposit, replayed, _refusal_of(deposit))


async def ensure_intent(runtime: Runtime, deposit: Deposit) -> Deposit:
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
        deposit = await get(deposit.id)
    return deposit


async def settle(runtime: Runtime, intent: PaymentIntent, *, observed_at: datetime, actor: Actor) -> None:
    """Write what Stripe says of `intent` to its deposit, in one transaction. Safe to call again."""

    async def work(tx: Tx) -> None:
        deposit = await facts.find_for(tx, intent)
        if deposit is not None:
            await facts.record(
                tx, deposit, intent, observed_at=observed_at, actor=actor, cipher=runtime.cipher
            )

    await runtime.database.transact(work)


async def look_again(runtime: Runtime, deposit: Deposit) -> None:
    """What the sweep does with a deposit that is due: finish asking, or read at Stripe what became of it."""
    await _schedule(runtime, deposit)
    try:
        deposit = await ensure_intent(runtime, deposit)
        if deposit.is_settled or deposit.payment_intent_id is None:
            return
        observed_at = runtime.now()
        intent = await runtime.gateway.payment_intent(deposit.payment_intent_id)
    except StripeTrouble:
        return  # logged and counted by the gateway; due again by its schedule
    await settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)


async def claim_next(runtime: Runtime) -> Deposit | None:
    """The deposit that is due longest, leased to the caller."""
    row = await claim_due(Deposit.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease)
    return None if row is None else parse(Deposit, row)


async def get(deposit_id: str) -> Deposit:
    """Raises LookupError: only for ids that were read before."""
    row = await Deposit.get_pymongo_collection().find_one({"_id": deposit_id})
    if row is None:
        raise LookupError(deposit_id)
    return parse(Deposit, row)


def _validate(runtime: Runtime, command: CreateDeposit) -> None:
    policy = runtime.policy
    if policy.currency(command.currency) is None:
        taken = ", ".join(policy.currencies)
        raise InvalidInput(f"This currency is not taken. Taken are: {taken}.", path=["currency"])
    if not policy.deposit_min <= command.amount <= policy.deposit_max:
        raise InvalidInput(
            f"A deposit is {policy.deposit_min} to {policy.deposit_max} minor units.", path=["amount"]
        )
    try:
        to_stripe(Money(command.amount, command.currency))
    except ValueError as error:
        raise InvalidInput("This currency cannot be charged so finely.", path=["amount"]) from error


async def _first_with(key: IdempotencyKey) -> Deposit | None:
    """The deposit that this key made. Raises IdempotencyKeyReused."""
    row = await Deposit.get_pymongo_collection().find_one(key.filter())
    if row is None:
        return None
    deposit = parse(Deposit, row)
    key.check_replay_of(deposit.idempotency)
    return deposit


async def _intend(
    runtime: Runtime, owner: str, command: CreateDeposit, key: IdempotencyKey
) -> tuple[Deposit, bool]:
    """The deposit that this call, or the racing one that was first, wrote; and whether it was another."""
    wallet = await ledger.open_wallet(owner, command.currency)
    if any(freeze.cause is FreezeCause.ADMIN for freeze in wallet.freezes):
        raise WalletFrozen("This wallet is frozen by an administrator.")
    now = runtime.now()
    deposit = Deposit(
        id=new_id("dep"),
        owner=owner,
        wallet=wallet.id,
        amount=command.amount,
        currency=command.currency,
        status=DepositStatus.REQUIRES_PAYMENT,
        history=[StatusChange(status=DepositStatus.REQUIRES_PAYMENT, at=now, actor=Actor.OWNER)],
        idempotency=key,
        next_attempt_at=now + runtime.policy.recheck,
        created_at=now,
        updated_at=now,
    )
    try:
        await deposit.insert()
    except DuplicateKeyError:
        first = await _first_with(key)
        if first is None:
            raise
        return first, True
    return deposit, False


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
    return await get(deposit.id)


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
    return await get(deposit.id)


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


async def _schedule(runtime: Runtime, deposit: Deposit) -> None:
    """Due again: one recheck after its making, then ever more rarely, for most are never paid."""
    policy = runtime.policy
    pause = min(policy.recheck * 2 ** min(deposit.attempts_made, DOUBLINGS_MAX), policy.recheck_max)
    await Deposit.get_pymongo_collection().update_one(
        {"_id": deposit.id, "next_attempt_at": deposit.next_attempt_at},
        {"$set": {"next_attempt_at": runtime.now() + pause}, "$inc": {"attempts_made": 1}},
    )


def _unavailable() -> PaymentProviderUnavailable:
    return PaymentProviderUnavailable(
        "The payment provider cannot be reached now. Nothing was charged; try again with the same key."
    )


def _refusal_of(deposit: Deposit) -> PaymentDeclined | None:
    """A replay is told what the first call was told."""
    if deposit.status is not DepositStatus.CANCELED or deposit.failure is None:
        return None
    return PaymentDeclined(deposit.failure.message, decline_code=deposit.failure.decline_code)
