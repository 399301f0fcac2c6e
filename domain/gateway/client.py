"""The only way to Stripe. No interface and no fake: the sandbox speaks HTTP, and this very client asks it."""

from dataclasses import dataclass
from typing import Final

import httpx
import stripe

from domain.gateway.accounts import AccountCalls
from domain.gateway.balances import BalanceCalls
from domain.gateway.checkout import CheckoutCalls
from domain.gateway.customers import CustomerCalls
from domain.gateway.disputes import DisputeCalls
from domain.gateway.payments import PaymentCalls
from domain.gateway.transfers import TransferCalls
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


class StripeGateway(
    PaymentCalls,
    CheckoutCalls,
    CustomerCalls,
    AccountCalls,
    BalanceCalls,
    TransferCalls,
    DisputeCalls,
):
    """One per event loop. Each call raises StripeTrouble (errors.py); what creates takes a stored attempt."""

    def __init__(self, config: GatewayConfig, *, cipher: Cipher, now: Clock) -> None:
        self.livemode = config.livemode
        timeout = httpx.Timeout(config.timeout_s, connect=3, pool=5)
        self._http = stripe.HTTPXClient(timeout=timeout)
        client = stripe.StripeClient(
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
            probe=client.v1.balance.retrieve_async,
            cipher=cipher,
            now=now,
        )
        self._circuit = transport.circuit
        super().__init__(client, transport)

    async def close(self) -> None:
        await self._circuit.close()
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK left it bare

    def check_circuit(self) -> None:
        """Raises CircuitOpen while Stripe is down: for whoever has something to write before a call."""
        self._circuit.check()
