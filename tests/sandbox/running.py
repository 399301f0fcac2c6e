"""The sandbox as its users meet it: over HTTP, from another thread, with a receiver for its webhooks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from stripe import PaymentIntent, SetupIntent, Transfer

from sandbox.stripe import SandboxConfig, create_app
from tests.conformance import PINNED_VERSION, Recorder, check_event
from tests.conformance.exchange import Violation

SECRET_KEY = "sk_test_sandbox"
PUBLISHABLE_KEY = "pk_test_sandbox"
PLATFORM_SECRET = "whsec_platform"
CONNECT_SECRET = "whsec_connect"
PATIENCE_S = 10.0
CONTRACTOR: Any = {
    "controller": {
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "stripe_dashboard": {"type": "express"},
    },
    "country": "US",
    "capabilities": {"transfers": {"requested": True}},
}

Json = dict[str, Any]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The base URL of an application on a free port, until the end of the block."""
    config = uvicorn.Config(app, port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Delivery:
    """One POST that arrived."""

    path: str
    payload: bytes
    signature: str
    answered: int

    @property
    def event(self) -> Json:
        event: Json = orjson.loads(self.payload)
        return event

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Receiver:
    """Takes webhooks at any path, and answers with the statuses it was told before it answers 200."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        payload = await request.body()
        self.violations += check_event(payload, request.headers)
        status = self.statuses.pop(0) if self.statuses else 200
        signature = request.headers["stripe-signature"]
        self.deliveries.append(Delivery(request.url.path, payload, signature, status))
        return Response(status_code=status)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.take, methods=["POST"])])

    def types(self) -> list[str]:
        return [delivery.type for delivery in self.deliveries]

    def of_type(self, event_type: str) -> list[Delivery]:
        return [delivery for delivery in self.deliveries if delivery.type == event_type]

    def forget(self) -> None:
        self.deliveries.clear()
        self.statuses.clear()


@dataclass
class Running:
    """A sandbox that runs, Stripe's own client for it, and what was found wrong with its answers."""

    url: str
    stripe: stripe.StripeClient
    http: httpx.AsyncClient
    recorder: Recorder

    async def control(self, control: str, /, **body: Any) -> Json:
        answer = await self.http.post(f"/_sandbox{control}", json=body)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result

    async def state(self) -> Json:
        state: Json = (await self.http.get("/_sandbox/state")).json()
        return state

    async def idle(self) -> Json:
        """The state once nothing is on its way any more."""
        while True:
            state = await self.state()
            if all(row["due"] is None for row in state["deliveries"]):
                return state

    async def reset(self, seed: int = 1) -> None:
        await self.control("/reset", seed=seed)

    async def fault(self, fault: str, path: str = "/v1/payment_intents", **more: Any) -> None:
        await self.control("/faults", **{"method": "POST", "path": path, "fault": fault, **more})

    async def events(self) -> list[str]:
        """The types of all events, oldest first."""
        listed = await self.stripe.v1.events.list_async({"limit": 100})
        return [str(event.type) for event in reversed(listed.data)]

    async def intent(self, amount: int = 50_00, **params: Any) -> PaymentIntent:
        """A fresh one that needs no return_url."""
        given: Any = {
            "amount": amount,
            "currency": "usd",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            **params,
        }
        return await self.stripe.v1.payment_intents.create_async(given)

    async def confirm(self, intent: str, card: str = "pm_card_visa", **params: Any) -> PaymentIntent:
        given: Any = {"payment_method": card, **params}
        return await self.stripe.v1.payment_intents.confirm_async(intent, given)

    async def setup(self, **params: Any) -> SetupIntent:
        """A fresh setup intent that needs no return_url."""
        given: Any = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **params}
        return await self.stripe.v1.setup_intents.create_async(given)

    async def confirm_setup(self, intent: str, card: str = "pm_card_visa", **params: Any) -> SetupIntent:
        given: Any = {"payment_method": card, **params}
        return await self.stripe.v1.setup_intents.confirm_async(intent, given)

    async def contractor(self, outcome: str = "active") -> str:
        """The id of a connected account that Stripe has thought about."""
        account = await self.stripe.v1.accounts.create_async(CONTRACTOR)
        await self.control(f"/accounts/{account.id}/onboard", outcome=outcome)
        return account.id

    async def transfer(self, destination: str, amount: int = 50_00, **params: Any) -> Transfer:
        given: Any = {"amount": amount, "currency": "usd", "destination": destination, **params}
        return await self.stripe.v1.transfers.create_async(given)

    async def available(self, account: str = "") -> dict[str, int]:
        """What can be sent, by currency: the platform's or a connected account's."""
        options: Any = {"stripe_account": account} if account else {}
        balance = await self.stripe.v1.balance.retrieve_async(None, options)
        return {one.currency: one.amount for one in balance.available}

    async def paid(self, card: str = "pm_card_visa", **params: Any) -> PaymentIntent:
        return await self.confirm((await self.intent(**params)).id, card)


@asynccontextmanager
async def running(config: SandboxConfig) -> AsyncIterator[Running]:
    """A sandbox, up for the block."""
    recorder = Recorder(create_app(config), invalid_requests=True)
    with served(recorder) as url:
        async with (
            httpx.AsyncClient(
                base_url=url, auth=(config.secret_key, ""), timeout=PATIENCE_S, trust_env=False
            ) as http,
            stripe_client(url, config.secret_key) as client,
        ):
            yield Running(url, client, http, recorder)


@asynccontextmanager
async def stripe_client(
    url: str, key: str = SECRET_KEY, *, timeout_s: float = PATIENCE_S
) -> AsyncIterator[stripe.StripeClient]:
    stripe.enable_telemetry = False
    http = stripe.HTTPXClient(timeout=httpx.Timeout(timeout_s))
    yield stripe.StripeClient(
        key,
        http_client=http,
        stripe_version=PINNED_VERSION,
        max_network_retries=0,
        base_addresses={"api": url},
    )
    await http.close_async()  # type: ignore[no-untyped-call]
