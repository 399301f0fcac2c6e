"""Stripe's customer.updated: somebody, here or in the dashboard, may have named another default card."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import gateway
from domain.customers import reads, service
from domain.inbox import WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime


@dataclass(frozen=True)
class CustomerFact:
    customer: gateway.Customer
    observed_at: datetime


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> CustomerFact:
    """The customer as it is: the event may be old."""
    observed_at = runtime.now()
    return CustomerFact(await runtime.gateway.customer(payload["data"]["object"]["id"]), observed_at)


async def apply(tx: Tx, _runtime: Runtime, _event: WebhookEvent, fact: CustomerFact) -> str:
    owner = await reads.owner_of(fact.customer.id, tx)
    if owner is None:
        # No money and no card of ours is at stake: another system may keep its customers at this account.
        return "not ours"
    await service.record(tx, owner, fact.customer, observed_at=fact.observed_at)
    return owner
