"""A deposit's Checkout Session at Stripe: how it is asked for, read and expired, and what it says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domain.deposits import facts, pages, reads
from domain.deposits.documents import Checkout, Deposit
from domain.deposits.facts import PageFact
from domain.deposits.questions import CLOCK_SLACK, Question
from domain.gateway import Attempt, CheckoutSession
from domain.gateway.amounts import to_stripe
from domain.gateway.checkout import OPEN_MAX, OPEN_MIN
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor, move
from domain.runtime import Runtime

# Within Stripe's bounds also by a clock that differs from ours, and when it is asked again a little later.
PAGE_MIN: Final = OPEN_MIN + CLOCK_SLACK
PAGE_MAX: Final = OPEN_MAX - CLOCK_SLACK


def question(runtime: Runtime, deposit: Deposit, checkout: Checkout) -> Question[CheckoutSession]:
    async def send(attempt: Attempt, lease_until: datetime) -> CheckoutSession:
        return await runtime.gateway.create_checkout_session(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> CheckoutSession | None:
        # The Customer that was named then: another may have taken its place.
        asked_for = attempt.parameters(runtime.cipher)["customer"]
        return await runtime.gateway.find_checkout_session(
            customer=asked_for, since=attempt.made_at - CLOCK_SLACK, metadata={"deposit_id": deposit.id}
        )

    async def store(session: CheckoutSession, _observed_at: datetime) -> None:
        await _keep(runtime, deposit.id, session)

    return Question(
        step="checkout",
        answer_field="checkout.session_id",
        parameters=lambda customer: _parameters(runtime, deposit, checkout, customer),
        send=send,
        find=find,
        store=store,
    )


async def read(runtime: Runtime, session_id: str) -> PageFact:
    """The page as it is, and then its intent. Raises StripeTrouble."""
    return await _with_intent(runtime, await runtime.gateway.checkout_session(session_id))


async def expire(runtime: Runtime, session_id: str) -> PageFact:
    """Close the page, unless it is closed: what is paid there by then, is paid. Raises StripeTrouble."""
    return await _with_intent(runtime, await runtime.gateway.expire_checkout_session(session_id))


async def settle(runtime: Runtime, fact: PageFact, *, actor: Actor) -> Deposit | None:
    """Write what Stripe says of a page to its deposit, if it has one, in one transaction. Safe to repeat."""

    async def work(tx: Tx) -> Deposit | None:
        deposit = await facts.find_for_page(tx, fact.session)
        if deposit is None:
            return None
        return await facts.record_page(tx, deposit, fact, actor=actor, cipher=runtime.cipher)

    return await runtime.database.transact(work)


async def _with_intent(runtime: Runtime, session: CheckoutSession) -> PageFact:
    observed_at = runtime.now()
    if session.payment_intent is None:
        return PageFact(session, None, observed_at)
    return PageFact(session, await runtime.gateway.payment_intent(session.payment_intent), observed_at)


async def _keep(runtime: Runtime, deposit_id: str, session: CheckoutSession) -> None:
    """The page that was made. Its answer may be a repeated one, so how it stands is read another time."""

    async def work(tx: Tx) -> None:
        deposit = await reads.get(deposit_id, tx)
        changes = pages.changes_of(deposit, session, runtime.cipher)
        if changes:
            await move(tx, deposit, deposit.status, actor=Actor.WORKER, changes=changes)

    await runtime.database.transact(work)


def _parameters(runtime: Runtime, deposit: Deposit, checkout: Checkout, customer: str) -> Mapping[str, Any]:
    metadata = {"deposit_id": deposit.id, "user_id": deposit.owner}
    payment: dict[str, Any] = {"metadata": metadata}
    if deposit.save_method:
        payment["setup_future_usage"] = "off_session"
    price = {
        "currency": deposit.currency.lower(),
        "unit_amount": to_stripe(Money(deposit.amount, deposit.currency)),
        "product_data": {"name": "Deposit"},
    }
    closes_at = _closes_at(deposit, runtime.now())
    return {
        "mode": "payment",
        "customer": customer,
        "client_reference_id": deposit.id,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": runtime.cipher.decrypt(checkout.success_url).decode(),
        "cancel_url": runtime.cipher.decrypt(checkout.cancel_url).decode(),
        **({} if closes_at is None else {"expires_at": int(closes_at.timestamp())}),
        "metadata": metadata,
        "payment_intent_data": payment,
    }


def _closes_at(deposit: Deposit, now: datetime) -> datetime | None:
    """With the deposit, as far as Stripe lets it: where that is too soon, the sweep closes it.

    None, where it is open as long as Stripe leaves any: Stripe counts that day by its own clock, and makes
    the page whatever ours says.
    """
    wanted = max(deposit.expires_at or now + PAGE_MAX, now + PAGE_MIN)
    return wanted if wanted < now + PAGE_MAX - CLOCK_SLACK else None
