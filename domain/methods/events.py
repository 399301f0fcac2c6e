"""Stripe's payment_method and setup_intent events: a hint which card to look at, and whose it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import customers, gateway, identity, inbox
from domain.gateway import Refused
from domain.inbox import Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.methods import copies, reads
from domain.runtime import Runtime


@dataclass(frozen=True)
class MethodFact:
    """`method` is None when Stripe has none. `customer`: whose it is, or was when the event was made.

    `claims_person`: that Customer is none of ours, and yet its metadata name a person of ours.
    """

    method_id: str
    method: gateway.PaymentMethod | None
    customer: str | None
    claims_person: bool
    observed_at: datetime


async def gather(runtime: Runtime, payload: Mapping[str, Any]) -> MethodFact:
    """The method as it is: events come late, twice and out of order."""
    observed_at = runtime.now()
    told = payload["data"]["object"]
    method_id: str = told["payment_method"] if told["object"] == "setup_intent" else told["id"]
    method = await runtime.gateway.payment_method(method_id)
    customer = None if method is None else method.customer
    # Detached, it is nobody's; the event alone still knows whose it was.
    customer = customer or _before(payload).get("customer")
    claims_person = (
        customer is not None
        and await customers.owner_of(customer) is None
        and await _claims_person(runtime, customer)
    )
    return MethodFact(method_id, method, customer, claims_person, observed_at)


async def apply(tx: Tx, _runtime: Runtime, event: WebhookEvent, fact: MethodFact) -> Handled:
    """Write the fact to its copy. Answers what became of the event."""
    owner = await reads.owner_of(tx, fact.method_id)
    if owner is None and fact.customer is not None:
        owner = await customers.owner_of(fact.customer, tx)
    if owner is not None:
        if fact.method is None:
            await copies.mark_removed(tx, fact.method_id)
        else:
            await copies.record(tx, owner, [fact.method], observed_at=fact.observed_at)
        return Handled(owner)
    if not fact.claims_person:
        # No money is at stake: another system may keep its own customers at this account.
        return Handled("not ours")
    return await inbox.record_unmatched(tx, event)


async def _claims_person(runtime: Runtime, customer_id: str) -> bool:
    try:
        customer = await runtime.gateway.customer(customer_id)
    except Refused:
        return False
    user_id = customer.metadata.get("user_id")
    return user_id is not None and await identity.find(user_id) is not None


def _before(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    before: Mapping[str, Any] = payload["data"].get("previous_attributes") or {}
    return before
