"""One Customer at Stripe for each person, also when many calls race and answers are lost."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from domain import gateway, identity
from domain.customers import reads
from domain.customers.documents import Customer
from domain.gateway import Attempt, KeySpent, Refused, ask
from domain.kernel.database import Tx
from domain.runtime import Runtime

POLL_S: Final = 0.05
CLOCK_SLACK: Final = timedelta(minutes=5)


async def ensure(runtime: Runtime, user_id: str) -> str:
    """The person's customer id at Stripe, made on first use. Raises StripeTrouble, its kind as ever."""
    customer = await reads.find(user_id) or await _intend(runtime, user_id)
    while customer.stripe_id is None:
        made = await _ask(runtime, customer)
        if made is not None:
            return made
        # Somebody else is asking: their answer is ours.
        await asyncio.sleep(random.uniform(POLL_S, 2 * POLL_S))  # noqa: S311 - jitter, not a secret
        customer = await reads.find(user_id) or customer
    return customer.stripe_id


async def record(tx: Tx, user_id: str, told: gateway.Customer, *, observed_at: datetime) -> None:
    """Write what Stripe said of the person's Customer when asked at `observed_at`; never over newer."""
    await Customer.get_pymongo_collection().update_one(
        {"_id": user_id, "observed_at": {"$not": {"$gt": observed_at}}},
        {"$set": {"default_method": told.default_payment_method, "observed_at": observed_at}},
        session=tx.session,
    )


async def successor(runtime: Runtime, stripe_id: str) -> Attempt | None:
    """The next question, for the person whose Customer this was; None when it was nobody's."""
    owner = await reads.owner_of(stripe_id)
    customer = None if owner is None else await reads.find(owner)
    return None if customer is None else await _following(runtime, customer)


async def replace(tx: Tx, user_id: str, stripe_id: str, attempt: Attempt) -> None:
    """Forget a Customer that is deleted at Stripe: whoever needs one next has another made."""
    await Customer.get_pymongo_collection().update_one(
        {"_id": user_id, "stripe_id": stripe_id},
        {
            "$set": {
                "stripe_id": None,
                "default_method": None,
                "attempt": attempt.model_dump(),
                "lease_until": None,
            }
        },
        session=tx.session,
    )


async def _intend(runtime: Runtime, user_id: str) -> Customer:
    """Write down what will be asked, under which key, before it is asked."""
    now = runtime.now()
    customer = Customer(id=user_id, attempt=await _attempt(runtime, user_id, 1), created_at=now)
    try:
        await customer.insert()
    except DuplicateKeyError:
        return await reads.find(user_id) or customer
    return customer


async def _attempt(runtime: Runtime, user_id: str, number: int) -> Attempt:
    user = await identity.get(user_id)
    parameters = {
        "email": identity.email_of(runtime, user),
        "name": user.display_name,
        "metadata": {"user_id": user_id},
    }
    key = f"customer:{user_id}:create:{number}"
    return Attempt.make(key, parameters, cipher=runtime.cipher, now=runtime.now())


async def _following(runtime: Runtime, customer: Customer) -> Attempt:
    number = int(customer.attempt.key.rpartition(":")[2])
    return await _attempt(runtime, customer.id, number + 1)


async def _ask(runtime: Runtime, customer: Customer) -> str | None:
    """The customer's id, stored; None when somebody else is asking."""

    async def send(attempt: Attempt, lease_until: datetime) -> str:
        return await runtime.gateway.create_customer(attempt, lease_until=lease_until)

    async def find(attempt: Attempt) -> str | None:
        since = attempt.made_at - CLOCK_SLACK
        return await runtime.gateway.find_customer(since=since, metadata={"user_id": customer.id})

    customers = Customer.get_pymongo_collection()
    try:
        stripe_id = await ask(
            customers,
            customer.id,
            answer_field="stripe_id",
            send=send,
            find=find,
            check_circuit=runtime.gateway.check_circuit,
            now=runtime.now,
            lease=runtime.policy.lease,
            lookup_wait=runtime.policy.lookup_wait,
        )
    except (KeySpent, Refused):
        # Decided, and Stripe would only repeat itself: whoever asks next takes a new key.
        following = await _following(runtime, customer)
        await customers.update_one(
            {"_id": customer.id, "attempt.key": customer.attempt.key},
            {"$set": {"attempt": following.model_dump()}},
        )
        raise
    if stripe_id is not None:
        await customers.update_one(
            {"_id": customer.id}, {"$set": {"stripe_id": stripe_id, "lease_until": None}}
        )
    return stripe_id
