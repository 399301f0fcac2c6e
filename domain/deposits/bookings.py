"""Which entry stands for a movement of Stripe's balance: asked by who reads it, and posted if nobody has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain import ledger
from domain.deposits import intents, reads, receipts
from domain.deposits.documents import Deposit
from domain.gateway import Refund, Refused
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.ledger import Account, EntryRecord, Kind, Platform
from domain.runtime import Runtime

_STRIPE: Final = str(Account.platform(Platform.STRIPE))


@dataclass(frozen=True)
class Booking:
    """`entry`: the ref under which `amount` came from platform:stripe or, negative, went there."""

    deposit: str
    entry: str
    amount: Money


async def booking_of_charge(runtime: Runtime, payment_intent_id: str, *, settled_as: Money) -> Booking | None:
    """How the books took in what the intent paid, by now at the latest; None when no deposit explains it.

    `settled_as`: what it became in Stripe's balance. Stripe is asked about the intent unless the books know.
    Raises StripeTrouble.
    """
    deposit = await reads.find_by_intent(payment_intent_id)
    booking = None if deposit is None else await _received(deposit, payment_intent_id)
    if booking is not None:
        return booking
    observed_at = runtime.now()
    try:
        intent = await runtime.gateway.payment_intent(payment_intent_id)
    except Refused:
        return None
    deposit = await intents.settle(
        runtime, intent, observed_at=observed_at, actor=Actor.WORKER, settled_as=settled_as
    )
    return None if deposit is None else await _received(deposit, payment_intent_id)


async def booking_of_refund(runtime: Runtime, refund_id: str) -> Booking | None:
    """How the books sent back what was not agreed; None for a refund that no review has decided."""
    found = await _refund(runtime, refund_id)
    if found is None:
        return None
    refund, deposit = found

    async def work(tx: Tx) -> None:
        await receipts.adopt(tx, await reads.get(deposit.id, tx), refund)

    await runtime.database.transact(work)
    entries = await ledger.entries_of(deposit.id)
    # After them, so that it has the receipt of each.
    deposit = await reads.get(deposit.id)
    sent = _steps(deposit, refund, entries, step="resolved", kind=Kind.REFUND_SENT)
    returned = _steps(deposit, refund, entries, step="returned", kind=Kind.REFUND_RETURNED)
    # Money that came back is sent anew, so they alternate; what came back names its refund.
    turn = next(
        (number for number, entry in enumerate(returned) if entry.ref.endswith(f":{refund.id}")),
        len(returned),
    )
    return _booking(deposit, sent[turn]) if turn < len(sent) else None


async def booking_of_return(runtime: Runtime, refund_id: str) -> Booking | None:
    """How the books took back a refund that failed after it was made; None as above."""
    found = await _refund(runtime, refund_id)
    if found is None:
        return None
    refund, deposit = found
    if refund.came_back:

        async def work(tx: Tx) -> None:
            await receipts.returned(tx, await reads.get(deposit.id, tx), refund)

        await runtime.database.transact(work)
    entries = await ledger.entries_of(deposit.id)
    deposit = await reads.get(deposit.id)
    returned = _steps(deposit, refund, entries, step="returned", kind=Kind.REFUND_RETURNED)
    mine = next((entry for entry in returned if entry.ref.endswith(f":{refund.id}")), None)
    return None if mine is None else _booking(deposit, mine)


async def _received(deposit: Deposit, payment_intent_id: str) -> Booking | None:
    refs = [deposit.review_ref("unexplained", payment_intent_id)]
    if deposit.payment_intent_id == payment_intent_id:
        refs.append(f"deposit:{deposit.id}:succeeded")
    bookings = [
        _booking(deposit, entry) for entry in await ledger.entries_of(deposit.id) if entry.ref in refs
    ]
    return next((booking for booking in bookings if booking.amount.amount), None)


async def _refund(runtime: Runtime, refund_id: str) -> tuple[Refund, Deposit] | None:
    try:
        refund = await runtime.gateway.refund(refund_id)
    except Refused:
        return None
    deposit = await reads.find(refund.metadata.get("deposit_id", ""))
    return None if deposit is None else (refund, deposit)


def _steps(
    deposit: Deposit, refund: Refund, entries: Sequence[EntryRecord], *, step: str, kind: Kind
) -> list[EntryRecord]:
    """The entries of a step about the refund's intent, in the order of their making."""
    if refund.payment_intent is None:
        return []
    ref = deposit.review_ref(step, refund.payment_intent)
    # The refs of the deposit's own intent are what those of all others begin with.
    others = [
        f"{ref}:{r.payment_intent_id}"
        for r in deposit.receipts
        if r.payment_intent_id != refund.payment_intent
    ]
    return [
        entry
        for entry in entries
        if entry.kind is kind
        and _is_of(entry.ref, ref)
        and not any(_is_of(entry.ref, other) for other in others)
    ]


def _is_of(ref: str, step: str) -> bool:
    return ref == step or ref.startswith(f"{step}:")


def _booking(deposit: Deposit, entry: EntryRecord) -> Booking:
    came = sum(posting.amount for posting in entry.postings if posting.source == _STRIPE)
    went = sum(posting.amount for posting in entry.postings if posting.destination == _STRIPE)
    return Booking(deposit.id, entry.ref, Money(came - went, entry.currency))
