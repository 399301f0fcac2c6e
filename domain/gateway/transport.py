"""How a call to Stripe is made: paced, under a circuit breaker, its trouble told apart, measured, logged."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar

import stripe
import structlog
from aiolimiter import AsyncLimiter
from prometheus_client import Histogram

from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.circuit import Circuit
from domain.gateway.errors import Misuse, StripeTrouble, classify
from domain.kernel.alerts import alert
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock

CONCURRENT_MAX: Final = 30
# Reading twice does no harm: the SDK may repeat what only reads.
READ: Final[Any] = {"max_network_retries": 2}

# Not "stripe": under that name the SDK itself logs, and is kept quiet.
_log = structlog.get_logger("gateway")
_SECONDS = Histogram("jobsphere_stripe_seconds", "Duration of calls to Stripe.", ["operation", "outcome"])
Answer = TypeVar("Answer", bound=stripe.StripeObject)
Parameters = ParamSpec("Parameters")


class Transport:
    """One per event loop. `requests_per_second` is this process's share; one operation gets half of it.

    `probe` is the call that asks Stripe, once the circuit was open for `circuit_open_s`, whether it is back.
    """

    def __init__(
        self,
        *,
        requests_per_second: float,
        circuit_failures: int,
        circuit_open_s: float,
        probe: Callable[[], Awaitable[stripe.StripeObject]],
        cipher: Cipher,
        now: Clock,
    ) -> None:
        self._cipher = cipher
        self._now = now
        self.circuit = Circuit(
            failures=circuit_failures, open_s=circuit_open_s, probe=lambda: self._call("probe", probe)
        )
        self._pace = AsyncLimiter(requests_per_second, 1)
        self._pace_of: defaultdict[str, AsyncLimiter] = defaultdict(
            lambda: AsyncLimiter(max(requests_per_second / 2, 1), 1)
        )
        self._concurrent = asyncio.Semaphore(CONCURRENT_MAX)

    async def send(
        self,
        operation: str,
        create: Callable[[Any, Any], Awaitable[Answer]],
        attempt: Attempt,
        lease_until: datetime,
    ) -> Answer:
        """Send a stored attempt. Raises NotSendable: too old, or somebody else's by now."""

        async def create_now() -> Answer:
            # Judged when its turn has come: a worker that was paused must not wake up and send.
            now = self._now()
            if not attempt.may_be_sent(now):
                raise NotSendable(f"{attempt.key} is older than 23 hours")
            if now >= lease_until:
                raise NotSendable(f"the lease on {attempt.key} has passed")
            return await create(attempt.parameters(self._cipher), {"idempotency_key": attempt.key})

        return await self.ask(operation, create_now)

    async def all(
        self, operation: str, list_page: Callable[..., Awaitable[Any]], filters: Mapping[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """Every object of a list, newest first, a page at a time."""
        parameters: dict[str, Any] = {**filters, "limit": 100}
        while True:
            page = (await self.ask(operation, list_page, parameters, READ)).to_dict()
            for raw in page["data"]:
                yield raw
            if not page["has_more"]:
                return
            parameters = {**parameters, "starting_after": page["data"][-1]["id"]}

    async def ask(
        self,
        operation: str,
        call: Callable[Parameters, Awaitable[Answer]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Answer:
        """One paced call, of which the circuit hears how it went. Raises CircuitOpen at once."""
        self.circuit.check()
        async with self._pace, self._pace_of[operation], self._concurrent:
            # It may have opened while this call waited for its turn.
            self.circuit.check()
            try:
                answer = await self._call(operation, call, *args, **kwargs)
            except StripeTrouble as trouble:
                self.circuit.hear(outage=trouble.outage)
                raise
            self.circuit.hear(outage=False)
            return answer

    async def _call(
        self,
        operation: str,
        call: Callable[Parameters, Awaitable[Answer]],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Answer:
        """The call itself: its trouble classified, its time measured, its ids logged and nothing else."""
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
            # Without its cause: the message of that one may quote a whole body of Stripe's.
            raise trouble from None
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


def _request_id(answer: stripe.StripeObject) -> str | None:
    response = getattr(answer, "last_response", None)
    return None if response is None else response.request_id
