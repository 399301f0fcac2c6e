"""The only way to Stripe. No interface and no fake: the sandbox speaks HTTP, and this very client asks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx
import stripe

from domain.gateway.attempts import Attempt
from domain.gateway.errors import Unknown
from domain.gateway.objects import PaymentIntent
from domain.gateway.transport import READ as _READ
from domain.gateway.transport import Transport
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock

API_VERSION: Final = "2026-05-27.dahlia"

stripe.enable_telemetry = False


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
        create = self._client.v1.payment_intents.create_async
        return _intent(await self._send("payment_intents.create", create, attempt, lease_until))

    async def payment_intent(self, intent_id: str) -> PaymentIntent:
        retrieve = self._client.v1.payment_intents.retrieve_async
        return _intent(await self._ask("payment_intents.retrieve", retrieve, intent_id, None, _READ))

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


def _intent(answer: stripe.StripeObject) -> PaymentIntent:
    """Raises Unknown for an answer that is no PaymentIntent: it was probably made all the same."""
    try:
        return PaymentIntent.of(answer.to_dict())
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown("unparsable_answer") from error
