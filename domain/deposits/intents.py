"""A deposit's PaymentIntent at Stripe: how it is asked for, and what Stripe says of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain.deposits import facts
from domain.deposits.documents import Deposit
from domain.deposits.questions import CLOCK_SLACK, Question
from domain.gateway import Attempt, Find, NotSendable, PaymentIntent
from domain.gateway.amounts import to_stripe
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.runtime import Runtime


def question(runtime: Runtime, deposit: Deposit) -> Question[PaymentIntent]:
    """The intent that Stripe.js confirms on the payer's screen, or that charges a saved card at once."""
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

    async def store(intent: PaymentIntent, observed_at: datetime) -> None:
        await settle(runtime, _unproven(intent), observed_at=observed_at, actor=Actor.WORKER)

    return Question(
        step="create",
        answer_field="payment_intent_id",
        parameters=lambda customer: _parameters(runtime, deposit, customer),
        send=send,
        find=find,
        store=store,
    )


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


def _parameters(runtime: Runtime, deposit: Deposit, customer: str) -> Mapping[str, Any]:
    parameters: dict[str, Any] = {
        "amount": to_stripe(Money(deposit.amount, deposit.currency)),
        "currency": deposit.currency.lower(),
        "customer": customer,
        "metadata": {"deposit_id": deposit.id, "user_id": deposit.owner},
        **_confirmation(runtime, deposit),
    }
    if deposit.save_method:
        parameters["setup_future_usage"] = "off_session"
    return parameters


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


async def _found_or_unsendable(find: Find[PaymentIntent], attempt: Attempt) -> PaymentIntent:
    found = await find(attempt)
    if found is None:
        raise NotSendable(f"{attempt.key} is only looked up")
    return found


def _unproven(intent: PaymentIntent) -> PaymentIntent:
    """What our own call answers credits nothing: the verified event does, or what the sweep reads."""
    return replace(intent, status="processing") if intent.status == "succeeded" else intent
