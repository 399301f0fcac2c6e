"""Customers and the cards that they saved."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from domain.gateway.attempts import Attempt
from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.errors import Refused, Unknown
from domain.gateway.objects import Customer, PaymentMethod


class CustomerCalls(Calls):
    async def create_customer(self, attempt: Attempt, *, lease_until: datetime) -> str:
        """The customer's id."""
        create = self._client.v1.customers.create_async
        return (await self._send("customers.create", create, attempt, lease_until)).id

    async def customer(self, customer_id: str) -> Customer:
        retrieve = self._client.v1.customers.retrieve_async
        answer = await self._ask("customers.retrieve", retrieve, customer_id, None, READ)
        return parsed(Customer.of, answer.to_dict())

    async def find_customer(self, *, since: datetime, metadata: Mapping[str, str]) -> str | None:
        """The id of the customer, made at `since` or later, that carries `metadata`."""
        created = {"created": {"gte": int(since.timestamp())}}
        async for raw in self._all("customers.list", self._client.v1.customers.list_async, created):
            if metadata.items() <= raw["metadata"].items():
                return str(raw["id"])
        return None

    async def create_setup_intent(self, *, customer: str, metadata: Mapping[str, str]) -> str:
        """Its client secret. Without a stored attempt: one that nobody knows of does no harm."""
        parameters: Any = {
            "customer": customer,
            "usage": "off_session",
            # The card is confirmed by Stripe.js, which has no use for a redirect of ours.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": dict(metadata),
        }
        create = self._client.v1.setup_intents.create_async
        answer = await self._ask("setup_intents.create", create, parameters)
        if answer.client_secret is None:
            raise Unknown("unparsable_answer")
        return answer.client_secret

    async def payment_methods(self, customer_id: str) -> list[PaymentMethod]:
        """All that the customer has saved, newest first."""
        of_customer = partial(self._client.v1.customers.payment_methods.list_async, customer_id)
        listing = self._all("customers.payment_methods.list", of_customer, {})
        return [parsed(PaymentMethod.of, raw) async for raw in listing]

    async def payment_method(self, method_id: str) -> PaymentMethod | None:
        """None when Stripe has no such method."""
        retrieve = self._client.v1.payment_methods.retrieve_async
        try:
            answer = await self._ask("payment_methods.retrieve", retrieve, method_id, None, READ)
        except Refused as refused:
            if refused.code == "resource_missing":
                return None
            raise
        return parsed(PaymentMethod.of, answer.to_dict())

    async def set_default_payment_method(self, *, customer: str, method: str) -> Customer:
        parameters: Any = {"invoice_settings": {"default_payment_method": method}}
        update = self._client.v1.customers.update_async
        answer = await self._ask("customers.update", update, customer, parameters)
        return parsed(Customer.of, answer.to_dict())

    async def detach_payment_method(self, method_id: str) -> PaymentMethod:
        """Raises Refused when it belongs to nobody any more."""
        detach = self._client.v1.payment_methods.detach_async
        answer = await self._ask("payment_methods.detach", detach, method_id)
        return parsed(PaymentMethod.of, answer.to_dict())
