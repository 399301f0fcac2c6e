"""Making a deposit: the intention written down, then Stripe asked, and the answer told."""

from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from domain import ledger, methods
from domain.deposits import asking, reads
from domain.deposits.documents import Checkout, Deposit, DepositStatus, SavedCard
from domain.deposits.sessions import PAGE_MAX
from domain.gateway import StripeTrouble
from domain.gateway.amounts import Inexpressible, to_stripe
from domain.kernel.budget import Budget
from domain.kernel.database import CommitUnknown
from domain.kernel.errors import (
    InvalidInput,
    NotFound,
    PaymentDeclined,
    PaymentProviderUnavailable,
    WalletFrozen,
)
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with
from domain.kernel.urls import check_return_url
from domain.ledger import FreezeCause, Wallet
from domain.runtime import Runtime


@dataclass(frozen=True)
class CheckoutAddresses:
    """Where Stripe's page sends the payer: who has paid, and who would rather not."""

    success_url: str
    cancel_url: str

    def fields(self) -> dict[str, str]:
        return {"successUrl": self.success_url, "cancelUrl": self.cancel_url}


@dataclass(frozen=True)
class CreateDeposit:
    """`amount`: minor units of `currency`. `idempotency_key`: the caller's, one per intention.

    `payment_method_id`: a saved card to charge at once; its bank may send the payer to `return_url`.
    `save_payment_method`: keep the card that it is paid with. `checkout`: pay on a page of Stripe's.
    """

    amount: int
    currency: str
    idempotency_key: str
    payment_method_id: str | None = None
    return_url: str | None = None
    save_payment_method: bool = False
    checkout: CheckoutAddresses | None = None

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat. What was not said before it could be said is left out."""
        return {
            "amount": self.amount,
            "currency": self.currency,
            "paymentMethodId": self.payment_method_id,
            "returnUrl": self.return_url,
            "savePaymentMethod": self.save_payment_method or None,
            "checkout": None if self.checkout is None else self.checkout.fields(),
        }


@dataclass(frozen=True)
class Created:
    """`refusal`: why the deposit, which stands, is not paid: declined, or Stripe cannot be asked."""

    deposit: Deposit
    replayed: bool
    refusal: PaymentProviderUnavailable | PaymentDeclined | None = None


async def create(runtime: Runtime, owner: str, command: CreateDeposit, *, budget: Budget) -> Created:
    """Write the deposit and ask Stripe for its intent, or page; the same key answers like the first time.

    Raises InvalidInput, IdempotencyKeyReused, WalletFrozen, RateLimited, NotFound (no such saved card of
    one's own): nothing is written then.
    """
    key = IdempotencyKey.of(
        actor=owner,
        mutation="createDeposit",
        key=command.idempotency_key,
        fields=command.fields(),
    )
    deposit = await first_with(Deposit, key)
    replayed = deposit is not None
    if deposit is None:
        _validate(runtime, command)
        saved_card = await _saved_card(runtime, owner, command)
        wallet = await _wallet(owner, command.currency)
        await budget.spend(owner, member=key.member)
        deposit, replayed = await _write(_new(runtime, command, key, wallet, saved_card))
    try:
        deposit = await asking.ensure(runtime, deposit)
    except (StripeTrouble, CommitUnknown):
        # What became of it is in the database; a replay, or the sweep, goes on from there.
        deposit = await reads.get(deposit.id)
        if deposit.is_open and not deposit.is_made:
            return Created(deposit, replayed, _unavailable(deposit))
    return Created(deposit, replayed, _refusal_of(deposit))


def _validate(runtime: Runtime, command: CreateDeposit) -> None:
    policy = runtime.policy
    if policy.currency(command.currency) is None:
        taken = ", ".join(policy.currencies)
        raise InvalidInput(f"This currency is not taken. Taken are: {taken}.", path=["currency"])
    least, most = policy.deposit_bounds(command.currency)
    if not least <= command.amount <= most:
        raise InvalidInput(
            f"A deposit in {command.currency} is {least} to {most} minor units.", path=["amount"]
        )
    try:
        to_stripe(Money(command.amount, command.currency))
    except Inexpressible as error:
        raise InvalidInput(str(error), path=["amount"]) from error
    if command.payment_method_id is not None and command.return_url is None:
        raise InvalidInput("A saved card needs an address to return to from its bank.", path=["returnUrl"])
    if command.return_url is not None:
        check_return_url(command.return_url, path=["returnUrl"])
    if command.checkout is None:
        return
    if command.payment_method_id is not None:
        raise InvalidInput("On Stripe's page the payer chooses the card.", path=["paymentMethodId"])
    for field, url in command.checkout.fields().items():
        check_return_url(url, path=["checkout", field])


async def _saved_card(runtime: Runtime, owner: str, command: CreateDeposit) -> SavedCard | None:
    if command.payment_method_id is None or command.return_url is None:
        return None
    method = await methods.find_own(owner, command.payment_method_id)
    if method is None:
        raise NotFound("There is no such saved card.", path=["paymentMethodId"])
    return SavedCard(
        method=method.id,
        stripe_id=method.stripe_id,
        return_url=runtime.cipher.encrypt(command.return_url),
    )


def _checkout(runtime: Runtime, command: CreateDeposit) -> Checkout | None:
    if command.checkout is None:
        return None
    return Checkout(
        success_url=runtime.cipher.encrypt(command.checkout.success_url),
        cancel_url=runtime.cipher.encrypt(command.checkout.cancel_url),
    )


async def _wallet(owner: str, currency: str) -> Wallet:
    wallet = await ledger.open_wallet(owner, currency)
    if any(freeze.cause is FreezeCause.ADMIN for freeze in wallet.freezes):
        raise WalletFrozen("This wallet is frozen by an administrator.")
    return wallet


def _new(
    runtime: Runtime,
    command: CreateDeposit,
    key: IdempotencyKey,
    wallet: Wallet,
    saved_card: SavedCard | None,
) -> Deposit:
    now = runtime.now()
    expiry = runtime.policy.deposit_expiry
    return Deposit(
        id=new_id("dep", at=now),
        owner=wallet.owner,
        wallet=wallet.id,
        amount=command.amount,
        currency=command.currency,
        status=DepositStatus.REQUIRES_PAYMENT,
        history=[StatusChange(status=DepositStatus.REQUIRES_PAYMENT, at=now, actor=Actor.OWNER)],
        idempotency=key,
        saved_card=saved_card,
        checkout=_checkout(runtime, command),
        save_method=command.save_payment_method,
        # Stripe closes its page after a day.
        expires_at=now + (expiry if command.checkout is None else min(expiry, PAGE_MAX)),
        next_attempt_at=now + runtime.policy.recheck,
        created_at=now,
        updated_at=now,
    )


async def _write(deposit: Deposit) -> tuple[Deposit, bool]:
    """The deposit that this call, or the racing one that was first, wrote; and whether it was another."""
    try:
        await deposit.insert()
    except DuplicateKeyError:
        first = await first_with(Deposit, deposit.idempotency)
        if first is None:
            raise
        return first, True
    return deposit, False


def _unavailable(deposit: Deposit) -> PaymentProviderUnavailable:
    asked = deposit.attempt is not None and deposit.attempt.unknown
    doubt = "Whether the card was charged is not known yet" if asked and deposit.saved_card else None
    return PaymentProviderUnavailable(
        "The payment provider cannot be reached now. "
        f"{doubt or 'Nothing was charged'}; try again with the same key."
    )


def _refusal_of(deposit: Deposit) -> PaymentDeclined | None:
    """A replay is told what the first call was told."""
    at_once = deposit.status is DepositStatus.FAILED and deposit.saved_card is not None
    # What was made, and failed on Stripe's page, is news of later.
    never_made = deposit.status is DepositStatus.CANCELED and not deposit.is_made
    if deposit.failure is None or not (at_once or never_made):
        return None
    return PaymentDeclined(deposit.failure.message, decline_code=deposit.failure.decline_code)
