"""Deposits' verbs: make one, and look again at one that is due."""

from dataclasses import dataclass
from typing import Final

from pymongo.errors import DuplicateKeyError

from domain import ledger
from domain.deposits import intents, reads
from domain.deposits.documents import Deposit, DepositStatus
from domain.gateway import StripeTrouble
from domain.gateway.amounts import to_stripe
from domain.kernel.budget import Budget
from domain.kernel.database import CommitUnknown, parse
from domain.kernel.due import claim_due
from domain.kernel.errors import InvalidInput, PaymentDeclined, PaymentProviderUnavailable, WalletFrozen
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.ledger import FreezeCause
from domain.runtime import Runtime

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


async def create(runtime: Runtime, owner: str, command: CreateDeposit, *, budget: Budget) -> Created:
    """Write the deposit and ask Stripe for its PaymentIntent; the same key answers like the first time.

    Raises InvalidInput, IdempotencyKeyReused, WalletFrozen, RateLimited: nothing is written then.
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
        deposit, replayed = await _intend(runtime, owner, command, key, budget)
    try:
        deposit = await intents.ensure(runtime, deposit)
    except (StripeTrouble, CommitUnknown):
        # What became of it is in the database; a replay, or the sweep, goes on from there.
        deposit = await reads.get(deposit.id)
        return Created(deposit, replayed, None if deposit.payment_intent_id else _unavailable())
    return Created(deposit, replayed, _refusal_of(deposit))


async def look_again(runtime: Runtime, deposit: Deposit) -> None:
    """What the sweep does with a deposit that is due: finish asking, or read at Stripe what became of it."""
    await _schedule(runtime, deposit)
    try:
        deposit = await intents.ensure(runtime, deposit)
        if deposit.is_settled or deposit.payment_intent_id is None:
            return
        observed_at = runtime.now()
        intent = await runtime.gateway.payment_intent(deposit.payment_intent_id)
    except StripeTrouble:
        return  # logged and counted by the gateway; due again by its schedule
    await intents.settle(runtime, intent, observed_at=observed_at, actor=Actor.WORKER)


async def claim_next(runtime: Runtime) -> Deposit | None:
    """The deposit that is due longest, leased to the caller."""
    row = await claim_due(Deposit.get_pymongo_collection(), now=runtime.now(), lease=runtime.policy.lease)
    return None if row is None else parse(Deposit, row)


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
    runtime: Runtime, owner: str, command: CreateDeposit, key: IdempotencyKey, budget: Budget
) -> tuple[Deposit, bool]:
    """The deposit that this call, or the racing one that was first, wrote; and whether it was another."""
    wallet = await ledger.open_wallet(owner, command.currency)
    if any(freeze.cause is FreezeCause.ADMIN for freeze in wallet.freezes):
        raise WalletFrozen("This wallet is frozen by an administrator.")
    await budget.spend(owner, member=key.member)
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
