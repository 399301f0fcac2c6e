"""The only way to Stripe. No interface and no fake: the sandbox speaks HTTP, and this very client asks it."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import httpx
import stripe
from ulid import ULID

from domain.gateway.attempts import Attempt
from domain.gateway.errors import Refused, Unknown
from domain.gateway.objects import Balance, BalanceTransaction, Customer, PaymentIntent, PaymentMethod, Refund
from domain.gateway.transport import READ as _READ
from domain.gateway.transport import Transport
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock

API_VERSION: Final = "2026-05-27.dahlia"

stripe.enable_telemetry = False
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class GatewayConfig:
    """`requests_per_second` is this process's share; a single operation gets half of it.

    After `circuit_failures` calls in a row without an answer of Stripe's none is sent for `circuit_open_s`.
    """

    secret_key: str
    api_base: str = "https://api.stripe.com"
    timeout_s: float = 20.0
    requests_per_second: float = 15.0
    circuit_failures: int = 5
    circuit_open_s: float = 30.0

    @property
    def livemode(self) -> bool:
        return self.secret_key.startswith(("sk_live_", "rk_live_"))


class StripeGateway:
    """One per event loop. Each call raises StripeTrouble (errors.py); what creates takes a stored attempt."""

    def __init__(self, config: GatewayConfig, *, cipher: Cipher, now: Clock) -> None:
        self.livemode = config.livemode
        timeout = httpx.Timeout(config.timeout_s, connect=3, pool=5)
        self._http = stripe.HTTPXClient(timeout=timeout)
        self._client = stripe.StripeClient(
            config.secret_key,
            http_client=self._http,
            stripe_version=API_VERSION,
            # Our own machinery repeats what moves money, under its stored key.
            max_network_retries=0,
            base_addresses={"api": config.api_base.rstrip("/")},
        )
        transport = Transport(
            requests_per_second=config.requests_per_second,
            circuit_failures=config.circuit_failures,
            circuit_open_s=config.circuit_open_s,
            # The cheapest question there is, and no money hangs on it.
            probe=self._client.v1.balance.retrieve_async,
            cipher=cipher,
            now=now,
        )
        self._circuit = transport.circuit
        self._ask, self._send, self._all = transport.ask, transport.send, transport.all

    async def close(self) -> None:
        await self._circuit.close()
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK left it bare

    def check_circuit(self) -> None:
        """Raises CircuitOpen while Stripe is down: for whoever has something to write before a call."""
        self._circuit.check()

    async def create_customer(self, attempt: Attempt, *, lease_until: datetime) -> str:
        """The customer's id."""
        create = self._client.v1.customers.create_async
        return (await self._send("customers.create", create, attempt, lease_until)).id

    async def create_payment_intent(self, attempt: Attempt, *, lease_until: datetime) -> PaymentIntent:
        """The intent that was made, also when it was confirmed at once and the card declined."""
        create = self._client.v1.payment_intents.create_async
        try:
            return _intent(await self._send("payment_intents.create", create, attempt, lease_until))
        except Refused as refused:
            if refused.payment_intent is None:
                raise
            return _parsed(PaymentIntent.of, refused.payment_intent)

    async def payment_intent(self, intent_id: str) -> PaymentIntent:
        retrieve = self._client.v1.payment_intents.retrieve_async
        return _intent(await self._ask("payment_intents.retrieve", retrieve, intent_id, None, _READ))

    async def cancel_payment_intent(self, intent_id: str, *, reason: str) -> PaymentIntent:
        """The intent as it is after that: canceled, or what it had become before.

        No stored attempt: canceled twice is canceled, and under one key Stripe would repeat a refusal also
        when the intent could be canceled by then.
        """
        cancel = self._client.v1.payment_intents.cancel_async
        options: Any = {"idempotency_key": f"cancel:{intent_id}:{ULID()}"}
        parameters: Any = {"cancellation_reason": reason}
        try:
            return _intent(await self._ask("payment_intents.cancel", cancel, intent_id, parameters, options))
        except Refused as refused:
            if refused.code != "payment_intent_unexpected_state":
                raise
            return await self.payment_intent(intent_id)

    async def create_refund(self, attempt: Attempt, *, lease_until: datetime) -> Refund:
        create = self._client.v1.refunds.create_async
        answer = await self._send("refunds.create", create, attempt, lease_until)
        return _parsed(Refund.of, answer.to_dict())

    async def refund(self, refund_id: str) -> Refund:
        retrieve = self._client.v1.refunds.retrieve_async
        answer = await self._ask("refunds.retrieve", retrieve, refund_id, None, _READ)
        return _parsed(Refund.of, answer.to_dict())

    async def find_refund(
        self, *, payment_intent: str, since: datetime, metadata: Mapping[str, str]
    ) -> Refund | None:
        """The intent's refund, made at `since` or later, that carries `metadata`; None if there is none."""
        made = {"payment_intent": payment_intent, "created": {"gte": int(since.timestamp())}}
        async for raw in self._all("refunds.list", self._client.v1.refunds.list_async, made):
            if metadata.items() <= raw["metadata"].items():
                return Refund.of(raw)
        return None

    async def find_payment_intent(
        self, *, customer: str, since: datetime, metadata: Mapping[str, str]
    ) -> PaymentIntent | None:
        """The customer's intent, made at `since` or later, that carries `metadata`; None if there is none."""
        created = {"customer": customer, "created": {"gte": int(since.timestamp())}}
        listing = self._all("payment_intents.list", self._client.v1.payment_intents.list_async, created)
        async for raw in listing:
            if metadata.items() <= raw["metadata"].items():
                return PaymentIntent.of(raw)
        return None

    async def find_customer(self, *, since: datetime, metadata: Mapping[str, str]) -> str | None:
        """The id of the customer, made at `since` or later, that carries `metadata`."""
        created = {"created": {"gte": int(since.timestamp())}}
        async for raw in self._all("customers.list", self._client.v1.customers.list_async, created):
            if metadata.items() <= raw["metadata"].items():
                return str(raw["id"])
        return None

    async def balance(self) -> Balance:
        """What Stripe holds for the platform now."""
        answer = await self._ask("balance.retrieve", self._client.v1.balance.retrieve_async, None, _READ)
        return _parsed(Balance.of, answer.to_dict())

    async def balance_transactions(
        self, *, since: datetime | None, until: datetime | None = None
    ) -> AsyncIterator[BalanceTransaction]:
        """Every movement made from `since` to `until`, both included, to the second; newest first."""
        bounds = {
            name: int(instant.timestamp())
            for name, instant in (("gte", since), ("lte", until))
            if instant is not None
        }
        filters: dict[str, Any] = {"expand": ["data.source"]} | ({"created": bounds} if bounds else {})
        list_page = self._client.v1.balance_transactions.list_async
        async for raw in self._all("balance_transactions.list", list_page, filters):
            yield _parsed(BalanceTransaction.of, raw)

    async def customer(self, customer_id: str) -> Customer:
        retrieve = self._client.v1.customers.retrieve_async
        answer = await self._ask("customers.retrieve", retrieve, customer_id, None, _READ)
        return _parsed(Customer.of, answer.to_dict())

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
        return [_parsed(PaymentMethod.of, raw) async for raw in listing]

    async def payment_method(self, method_id: str) -> PaymentMethod | None:
        """None when Stripe has no such method."""
        retrieve = self._client.v1.payment_methods.retrieve_async
        try:
            answer = await self._ask("payment_methods.retrieve", retrieve, method_id, None, _READ)
        except Refused as refused:
            if refused.code == "resource_missing":
                return None
            raise
        return _parsed(PaymentMethod.of, answer.to_dict())

    async def set_default_payment_method(self, *, customer: str, method: str) -> Customer:
        parameters: Any = {"invoice_settings": {"default_payment_method": method}}
        update = self._client.v1.customers.update_async
        answer = await self._ask("customers.update", update, customer, parameters)
        return _parsed(Customer.of, answer.to_dict())

    async def detach_payment_method(self, method_id: str) -> PaymentMethod:
        """Raises Refused when it belongs to nobody any more."""
        detach = self._client.v1.payment_methods.detach_async
        answer = await self._ask("payment_methods.detach", detach, method_id)
        return _parsed(PaymentMethod.of, answer.to_dict())


def _intent(answer: stripe.StripeObject) -> PaymentIntent:
    return _parsed(PaymentIntent.of, answer.to_dict())


def _parsed(of: Callable[[Mapping[str, Any]], Parsed], raw: Mapping[str, Any]) -> Parsed:
    """Raises Unknown for an answer that is not what was asked for: it was probably done all the same."""
    try:
        return of(raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unknown("unparsable_answer") from error
