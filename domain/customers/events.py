"""Stripe's customer.updated and customer.deleted: here or in the dashboard, somebody changed a Customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import gateway
from domain.customers import reads, service
from domain.gateway import Attempt
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime


@dataclass(frozen=True)
class CustomerFact:
    """`successor`: the question by which another one is made, of a person whose Customer is deleted."""

    customer: gateway.Customer
    observed_at: datetime
    successor: Attempt | None


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> CustomerFact:
    """The customer as it is: the event may be old."""
    observed_at = runtime.now()
    customer = await runtime.gateway.customer(payload["data"]["object"]["id"])
    successor = await service.successor(runtime, customer.id) if customer.deleted else None
    return CustomerFact(customer, observed_at, successor)


async def apply(tx: Tx, _runtime: Runtime, _event: WebhookEvent, fact: CustomerFact) -> Handled:
    owner = await reads.owner_of(fact.customer.id, tx)
    if owner is None:
        # No money and no card of ours is at stake: another system may keep its customers at this account.
        return Handled("not ours")
    if fact.successor is not None:
        await service.replace(tx, owner, fact.customer.id, fact.successor)
    else:
        await service.record(tx, owner, fact.customer, observed_at=fact.observed_at)
    return Handled(owner)
