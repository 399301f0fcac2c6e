"""The only way to Stripe. No interface and no fake: the sandbox speaks HTTP, and this very client asks it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar

import httpx
import stripe
import structlog
from aiolimiter import AsyncLimiter
from prometheus_client import Histogram

from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.errors import Misuse, Unknown, classify
from domain.gateway.objects import Balance, BalanceTransaction, PaymentIntent
from domain.kernel.alerts import alert
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock

API_VERSION: Final = "2026-05-27.dahlia"
CONCURRENT_MAX: Final = 30
# Reading twice does no harm: the SDK may repeat what only reads.
_READ: Final[Any] = {"max_network_retries": 2}

stripe.enable_telemetry = False
# Not "stripe": under that name the SDK itself logs, and is kept quiet.
_log = structlog.get_logger("gateway")
_SECONDS = Histogram("jobsphere_stripe_seconds", "Duration of calls to Stripe.", ["operation", "outcome"])
Answer = TypeVar("Answer", bound=stripe.StripeObject)
Parsed = TypeVar("Parsed")
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class GatewayConfig:
    """`requests_per_second` is this process's share; a single operation gets half of it."""

    secret_key: str
    api_base: str = "https://api.stripe.com"
    timeout_s: float = 20.0
    requests_per_second: float = 15.0

    @property
    def livemode(self) -> bool:
        return self.secret_key.startswith(("sk_live_", "rk_live_"))


class StripeGateway:
    """One per event loop. Each call raises StripeTrouble (errors.py); what creates takes a stored attempt."""

    def __init__(self, config: GatewayConfig, *, cipher: Cipher, now: Clock) -> None:
        self._cipher = cipher
        self._now = now
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
        self._pace = AsyncLimiter(config.requests_per_second, 1)
        self._pace_of: defaultdict[str, AsyncLimiter] = defaultdict(
            lambda: AsyncLimiter(max(config.requests_per_second / 2, 1), 1)
        )
        self._concurrent = asyncio.Semaphore(CONCURRENT_MAX)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK left it bare

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

    async def _send(
        self,
        operation: str,
        create: Callable[[Any, Any], Awaitable[Answer]],
        attempt: Attempt,
        lease_until: datetime,
    ) -> Answer:
        """Send a stored attempt. Raises NotSendable: too old, or somebody else's by now."""

        async def send() -> Answer:
            # Judged when its turn has come: a worker that was paused must not wake up and send.
            now = self._now()
            if not attempt.may_be_sent(now):
                raise NotSendable(f"{attempt.key} is older than 23 hours")
            if now >= lease_until:
                raise NotSendable(f"the lease on {attempt.key} has passed")
            return await create(attempt.parameters(self._cipher), {"idempotency_key": attempt.key})

        return await self._ask(operation, send)

    async def _all(
        self, operation: str, list_page: Callable[..., Awaitable[Any]], filters: Mapping[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Every object of a list, newest first, a page at a time."""
        parameters: dict[str, Any] = {**filters, "limit": 100}
        while True:
            page = (await self._ask(operation, list_page, parameters, _READ)).to_dict()
            for raw in page["data"]:
                yield raw
            if not page["has_more"]:
                return
            parameters = {**parameters, "starting_after": page["data"][-1]["id"]}

    async def _ask(
        self,
        operation: str,
        call: Callable[Parameters, Awaitable[Answer]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Answer:
        """One paced call: its trouble classified, its time measured, its ids logged and nothing else."""
        async with self._pace, self._pace_of[operation], self._concurrent:
            started = time.perf_counter()
            outcome, code, request_id = "cancelled", None, None
            try:
                answer = await call(*args, **kwargs)
                outcome, request_id = "ok", _request_id(answer)
            except stripe.StripeError as error:
                trouble = classify(error)
                outcome, code, request_id = type(trouble).__name__, trouble.code, trouble.request_id
                if isinstance(trouble, Misuse):
                    alert("STRIPE_MISUSE", stripe_operation=operation, stripe_code=trouble.code)
                raise trouble from error
            else:
                return answer
            finally:
                seconds = time.perf_counter() - started
                _SECONDS.labels(operation=operation, outcome=outcome).observe(seconds)
                _log.info(
                    "stripe call",
                    stripe_operation=operation,
                    outcome=outcome,
                    stripe_code=code,
                    stripe_request_id=request_id,
                    seconds=round(seconds, 4),
                )


def _intent(answer: stripe.StripeObject) -> PaymentIntent:
    """Raises Unknown for an answer that is no PaymentIntent: it was probably made all the same."""
    return _parsed(PaymentIntent.of, answer.to_dict())


def _parsed(parse: Callable[[Mapping[str, Any]], Parsed], raw: Mapping[str, Any]) -> Parsed:
    """Raises Unknown for what `parse` cannot read."""
    try:
        return parse(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise Unknown("unparsable_answer") from error


def _request_id(answer: stripe.StripeObject) -> str | None:
    response = getattr(answer, "last_response", None)
    return None if response is None else response.request_id
