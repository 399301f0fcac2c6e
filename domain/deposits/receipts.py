"""What the books say that Stripe received for a deposit: asked by who reads Stripe's balance."""

from dataclasses import dataclass
from typing import Final

from domain import ledger
from domain.deposits import intents, reads
from domain.deposits.documents import Deposit
from domain.gateway import Refused
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.ledger import Account, Platform
from domain.runtime import Runtime

_STRIPE: Final = str(Account.platform(Platform.STRIPE))


@dataclass(frozen=True)
class Receipt:
    """`entry`: the ref under which `received` came from platform:stripe, to the wallet or for a review."""

    deposit: str
    entry: str
    received: Money


async def receive(runtime: Runtime, payment_intent_id: str, *, settlement: Money) -> Receipt | None:
    """How the books took in what the intent paid, by now at the latest; None when no deposit explains it.

    `settlement`: what it became in Stripe's balance. Stripe is asked about the intent unless the books know.
    Raises StripeTrouble.
    """
    deposit = await reads.find_by_intent(payment_intent_id)
    receipt = None if deposit is None else await _receipt(deposit, payment_intent_id)
    if receipt is not None:
        return receipt
    observed_at = runtime.now()
    try:
        intent = await runtime.gateway.payment_intent(payment_intent_id)
    except Refused:
        return None
    deposit = await intents.settle(
        runtime, intent, observed_at=observed_at, actor=Actor.WORKER, settlement=settlement
    )
    return None if deposit is None else await _receipt(deposit, payment_intent_id)


async def _receipt(deposit: Deposit, payment_intent_id: str) -> Receipt | None:
    steps = [f"unexplained:{payment_intent_id}"]
    if deposit.payment_intent_id == payment_intent_id:
        steps += ["succeeded", "unexplained"]
    entries = await ledger.entries_with([f"deposit:{deposit.id}:{step}" for step in steps])
    for ref, entry in entries.items():
        [posting] = entry.postings
        if posting.source == _STRIPE:
            return Receipt(deposit.id, ref, Money(posting.amount, entry.currency))
    return None
