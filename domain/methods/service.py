"""Saved cards' verbs. Stripe keeps the cards and says which is the default; here are copies.

None of them stores an attempt as a deposit does. Each names the state that shall be (this one is the default,
that one is detached), so asking twice is asking once, and whoever lost an answer asks again. A setup intent
that nobody knows of charges nothing.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from domain import customers, gateway
from domain.gateway import Refused, StripeTrouble, Unknown
from domain.kernel.database import CommitUnknown, Tx
from domain.kernel.errors import NotFound, PaymentDeclined, PaymentProviderUnavailable
from domain.methods import copies, reads
from domain.methods.documents import PaymentMethod
from domain.methods.reads import SavedMethod
from domain.runtime import Runtime

# How long a person waits for Stripe before our copies answer.
PATIENCE_S: Final = 3.0


async def create_setup_intent(runtime: Runtime, owner: str) -> str:
    """The client secret by which Stripe.js saves a card.

    Raises PaymentProviderUnavailable, and PaymentDeclined where Stripe will not have it.
    """
    try:
        customer = await customers.ensure(runtime, owner)
        return await runtime.gateway.create_setup_intent(customer=customer, metadata={"user_id": owner})
    except StripeTrouble as trouble:
        raise _refusal(trouble) from trouble


async def of_owner(runtime: Runtime, owner: str) -> list[SavedMethod]:
    """What the person has saved, newest first: as Stripe says now, or, when it cannot, as we last saw it."""
    customer = await customers.find(owner)
    if customer is None or customer.stripe_id is None:
        return []
    try:
        async with asyncio.timeout(PATIENCE_S):
            listed = await _look(runtime, owner, customer.stripe_id)
    except (StripeTrouble, CommitUnknown, TimeoutError):
        return await reads.copies_of(owner)
    # Within a second only Stripe knows the order. What is not in its list was attached after it.
    place = {one.id: number for number, one in enumerate(listed)}
    saved = await reads.copies_of(owner)
    return sorted(saved, key=lambda one: place.get(one.method.stripe_id, -1))


async def set_default(runtime: Runtime, owner: str, method_id: str) -> SavedMethod:
    """Charge this one unless another is named.

    Raises NotFound, PaymentProviderUnavailable, and PaymentDeclined where Stripe will not have it.
    """
    method = await _own(owner, method_id)
    observed_at = runtime.now()
    try:
        customer = await customers.ensure(runtime, owner)
        told = await runtime.gateway.set_default_payment_method(customer=customer, method=method.stripe_id)

        async def work(tx: Tx) -> None:
            await customers.record(tx, owner, told, observed_at=observed_at)

        await runtime.database.transact(work)
    except Refused as refused:
        raise await _why_refused(runtime, method, refused) from refused
    except (StripeTrouble, CommitUnknown) as trouble:
        raise _refusal(trouble) from trouble
    return SavedMethod(method, is_default=True)


async def remove(runtime: Runtime, owner: str, method_id: str) -> SavedMethod:
    """Detach it, for ever. Raises the same."""
    method = await _own(owner, method_id)
    try:
        await _detach(runtime, method.stripe_id)
        await _mark_removed(runtime, method.stripe_id)
    except (StripeTrouble, CommitUnknown) as trouble:
        raise _refusal(trouble) from trouble
    return SavedMethod(method, is_default=False)


async def remember(runtime: Runtime, owner: str, stripe_id: str) -> None:
    """Read one of `owner`'s methods at Stripe and keep it: a payment may save a card, and its event be late.

    Raises StripeTrouble, CommitUnknown. Nothing is lost then: the event, or the next `of_owner`, brings it.
    """
    observed_at = runtime.now()
    told = await runtime.gateway.payment_method(stripe_id)

    async def work(tx: Tx) -> None:
        if told is None or told.customer is None:
            # Gone; or it was never saved, and there is no copy to mark.
            await copies.mark_removed(tx, stripe_id)
        elif await customers.owner_of(told.customer, tx) == owner:
            await copies.record(tx, owner, [told], observed_at=observed_at)

    await runtime.database.transact(work)


async def _look(runtime: Runtime, owner: str, customer_id: str) -> Sequence[gateway.PaymentMethod]:
    """Read the person's methods at Stripe and write them down. Raises StripeTrouble, CommitUnknown."""
    observed_at = runtime.now()
    listed = await runtime.gateway.payment_methods(customer_id)
    customer = await runtime.gateway.customer(customer_id)

    async def work(tx: Tx) -> None:
        await copies.record(tx, owner, listed, observed_at=observed_at)
        await customers.record(tx, owner, customer, observed_at=observed_at)

    await runtime.database.transact(work)
    # One list is no proof that a card is gone for ever: whatever is missing is asked for by its id.
    present = {one.id for one in listed}
    for saved in await reads.copies_of(owner):
        if saved.method.stripe_id not in present:
            await remember(runtime, owner, saved.method.stripe_id)
    return listed


async def _own(owner: str, method_id: str) -> PaymentMethod:
    method = await reads.find_own(owner, method_id)
    if method is None:
        raise _not_found()
    return method


async def _detach(runtime: Runtime, stripe_id: str) -> None:
    try:
        await runtime.gateway.detach_payment_method(stripe_id)
    except (Refused, Unknown):
        # Detached before, or just now and the answer was lost: it belongs to nobody then.
        told = await runtime.gateway.payment_method(stripe_id)
        if told is not None and told.customer is not None:
            raise


async def _mark_removed(runtime: Runtime, stripe_id: str) -> None:
    async def work(tx: Tx) -> None:
        await copies.mark_removed(tx, stripe_id)

    await runtime.database.transact(work)


async def _why_refused(
    runtime: Runtime, method: PaymentMethod, refused: Refused
) -> NotFound | PaymentDeclined | PaymentProviderUnavailable:
    """It was detached elsewhere, and we had not heard; or Stripe has a reason of its own."""
    try:
        await remember(runtime, method.owner, method.stripe_id)
    except (StripeTrouble, CommitUnknown) as trouble:
        return _refusal(trouble)
    if await reads.find_own(method.owner, method.id) is None:
        return _not_found()
    return _refusal(refused)


def _not_found() -> NotFound:
    return NotFound("There is no such saved card.", path=["id"])


def _refusal(trouble: StripeTrouble | CommitUnknown) -> PaymentDeclined | PaymentProviderUnavailable:
    if isinstance(trouble, Refused):
        return PaymentDeclined(trouble.message, decline_code=trouble.decline_code)
    return PaymentProviderUnavailable("The payment provider cannot be reached now. Try again.")
