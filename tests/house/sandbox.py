"""The Stripe sandbox in a thread of its own, overheard by the recorder, and a hand on its controls."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
import uvicorn

from domain.kernel.clock import Clock, utc_now
from sandbox.stripe import SandboxConfig, WebhookEndpointConfig, create_app
from sandbox.stripe.sandbox import Sandbox
from sandbox.stripe.transaction import Tx
from tests.conformance import Recorder

SECRET_KEY = "sk_test_house"
PUBLISHABLE_KEY = "pk_test_house"
WEBHOOK_SECRET = "whsec_platform_of_the_house"
# The platform's secret is being rotated all the time: the house takes both, the sandbox signs with the old.
NEW_WEBHOOK_SECRET = "whsec_new_platform_of_the_house"
CONNECT_WEBHOOK_SECRET = "whsec_connect_of_the_house"

# A connection that is idle is closed by a server after 5 s; a request must not cross that on its way.
IDLE_S_MAX = 2.0

# What can go wrong with a call that changes something, told at once; and what only a timeout tells.
FAULTS = [
    "reset_before_commit",
    "reset_after_commit",
    "truncate_after_commit",
    "error_500_before_commit",
    "error_500_after_commit",
    "error_503",
    "rate_limit_429",
    "lock_timeout_429",
    "conflict_409",
    "error_401",
]
TIMEOUTS = ["timeout_before_commit", "timeout_after_commit"]
Answer = TypeVar("Answer")


def listening_socket() -> socket.socket:
    """Bound to a free port, which stays ours."""
    # Named TCP, for asyncio switches Nagle's delay off only where it is told so: 40 ms an answer else.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    bound.listen(100)
    bound.setblocking(False)
    return bound


class SandboxServer:
    """Serves until `stop`. `webhooks_base` is where the API will listen, by which clock `now` tells."""

    def __init__(self, webhooks_base: str, now: Clock = utc_now) -> None:
        self._socket = listening_socket()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = create_app(
            SandboxConfig(
                database=None,
                secret_key=SECRET_KEY,
                publishable_key=PUBLISHABLE_KEY,
                webhooks=(
                    WebhookEndpointConfig(f"{webhooks_base}/webhooks/stripe", WEBHOOK_SECRET),
                    WebhookEndpointConfig(
                        f"{webhooks_base}/webhooks/stripe/connect", CONNECT_WEBHOOK_SECRET, connect=True
                    ),
                ),
                # A try that fails is tried again soon: tests do not wait for seconds.
                delivery_retry_s=(0.1, 0.2, 0.5, 1.0),
                seed=1,
                signs_at=lambda: now().timestamp(),
            )
        )
        self._sandbox: Sandbox = app.state.sandbox
        self._loop: asyncio.AbstractEventLoop
        self.recorder = Recorder(app)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.recorder,
                log_level="warning",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="stripe-sandbox", daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    async def change(self, work: Callable[[Tx], Answer]) -> Answer:
        """Change what Stripe holds behind everybody's back, in one go."""

        async def run() -> Answer:
            with self._sandbox.change() as tx:
                return work(tx)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def _serve(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve([self._socket])

        asyncio.run(serve())


class StripeSide:
    """What a test does at Stripe: pays, declines, breaks, looks."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(keepalive_expiry=IDLE_S_MAX)
        self.http = httpx.AsyncClient(base_url=url, auth=(SECRET_KEY, ""), timeout=30, limits=limits)

    async def close(self) -> None:
        await self.http.aclose()

    async def confirm(self, intent_id: str, card: str = "pm_card_visa") -> dict[str, Any]:
        """Pay as the payer's browser would. Answers Stripe's JSON, an error's (402) included."""
        return await self.request(
            "POST", f"/v1/payment_intents/{intent_id}/confirm", {"payment_method": card}, key=None
        )

    async def pay_checkout(
        self, session_id: str, outcome: str = "paid", card: str | None = None
    ) -> dict[str, Any]:
        """Do at the hosted page what its payer would, or later their bank. The session after it.

        `outcome`: paid, declined, paid_later (by bank), then paid_later_succeeded or paid_later_failed.
        """
        body = {"outcome": outcome} | ({} if card is None else {"card": card})
        session: dict[str, Any] = await self.control(f"/checkout/sessions/{session_id}", body)
        return session

    async def request(
        self, method: str, path: str, data: Mapping[str, str] | None = None, *, key: str | None = "test"
    ) -> dict[str, Any]:
        """As Stripe's dashboard or a browser would ask: each call under an idempotency key of its own."""
        headers = {
            "Stripe-Version": "2026-05-27.dahlia",
            "Idempotency-Key": f"{key or 'test'}-{time.perf_counter_ns()}",
        }
        response = await self.http.request(method, path, data=data, headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    async def control(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Any:
        """One of the sandbox's own controls; an error there is an error of the test."""
        content = None if method == "GET" else dict(body or {})
        response = await self.http.request(method, f"/_sandbox{path}", json=content)
        response.raise_for_status()
        return response.json()

    async def fault(self, method: str, path: str, fault: str, times: int = 1, **more: Any) -> None:
        body = {"method": method, "path": path, "fault": fault, "times": times, **more}
        await self.control("/faults", body)

    async def webhooks(self, **knobs: Any) -> None:
        await self.control("/webhooks", knobs)

    async def redeliver_last(self, times: int = 1) -> None:
        await self.control("/events/redeliver_last", {"times": times})

    async def dispute(self, payment: str, **options: Any) -> dict[str, Any]:
        """The cardholder's bank takes a payment back: Stripe's dispute. `payment`: a charge or its intent.

        Options: `reason`, `amount` (all that is not in dispute by default), `inquiry` (it only asks).
        """
        dispute: dict[str, Any] = await self.control(f"/charges/{payment}/dispute", options)
        return dispute

    async def conclude_dispute(self, dispute: str, outcome: str, **options: Any) -> dict[str, Any]:
        """`under_review`, `won`, `lost`, `needs_response` (of an inquiry), `warning_closed`, `prevented`.

        Of one that is won: `amount` (less than was taken), `fee_returned`.
        """
        after: dict[str, Any] = await self.control(f"/disputes/{dispute}", {"outcome": outcome, **options})
        return after

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.control("/state", method="GET")
        return state

    async def objects(self, kind: str) -> list[dict[str, Any]]:
        """Everything of one kind, e.g. `payment_intent`."""
        found: list[dict[str, Any]] = (await self.state())["objects"].get(kind, [])
        return found

    async def reset(self, seed: int = 1) -> None:
        """Empty, healthy and deterministic."""
        await self.control("/reset", {"seed": seed})
        # When this too is answered, what was on its way to us has arrived.
        await self.webhooks()
