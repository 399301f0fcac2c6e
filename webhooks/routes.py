"""Two routes, two sets of secrets. Only storing decides the answer: stored is 200, not stored is not."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Counter
from pymongo.errors import PyMongoError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from domain import dispatch, inbox
from domain.gateway import BadDelivery, verified_event
from domain.inbox import Endpoint
from domain.kernel.doorbell import DoorbellSilent
from domain.runtime import Runtime

BODY_BYTES_MAX: Final = 512 * 1024
_log = structlog.get_logger("webhooks")
_DELIVERIES = Counter(
    "jobsphere_webhook_deliveries", "Deliveries to the webhook routes.", ["endpoint", "outcome"]
)


@dataclass(frozen=True)
class WebhookSecrets:
    """Signing secrets, several of each while one is being rotated."""

    platform: Sequence[str]
    connect: Sequence[str]


def create_routes(secrets: WebhookSecrets) -> list[Route]:
    """The app's lifespan state must hold `runtime`."""
    return [
        Route("/webhooks/stripe", _receiver(Endpoint.PLATFORM, secrets.platform), methods=["POST"]),
        Route("/webhooks/stripe/connect", _receiver(Endpoint.CONNECT, secrets.connect), methods=["POST"]),
    ]


def _receiver(endpoint: Endpoint, secrets: Sequence[str]) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        runtime: Runtime = request.state.runtime
        response, outcome = await _receive(runtime, endpoint, secrets, request)
        _DELIVERIES.labels(endpoint=endpoint.value, outcome=outcome).inc()
        return response

    return receive


async def _receive(
    runtime: Runtime, endpoint: Endpoint, secrets: Sequence[str], request: Request
) -> tuple[Response, str]:
    """The answer to Stripe, and how it is counted."""
    try:
        body = await _body(request)
        header = request.headers.get("stripe-signature")
        event = verified_event(body, header, secrets=secrets, now=runtime.now())
    except BadDelivery as error:
        _log.warning("delivery refused", endpoint=endpoint.value, reason=str(error))
        return PlainTextResponse(str(error), 400), "refused"
    if event["livemode"] is not runtime.gateway.livemode:
        # In production, Connect endpoints do receive test events: not ours to keep.
        return PlainTextResponse("other mode"), "other_mode"
    try:
        stored = await inbox.store(runtime, endpoint, event, body)
    except PyMongoError as error:
        _log.error("event not stored", event_id=event["id"], error=type(error).__name__)
        return PlainTextResponse("not stored: send it again", 500), "not_stored"
    if not stored:
        return PlainTextResponse("duplicate"), "duplicate"
    return PlainTextResponse("stored", background=await _ring(runtime, event["id"])), "stored"


async def _ring(runtime: Runtime, event_id: str) -> BackgroundTask | None:
    """Wake a worker; where none can be told, this process handles the event itself, after the answer."""
    try:
        await runtime.doorbell.ring(dispatch.HANDLE_EVENT, event_id)
    except DoorbellSilent:
        return BackgroundTask(dispatch.handle, runtime, event_id)
    return None


async def _body(request: Request) -> bytes:
    """The raw bytes that were signed. Raises BadDelivery beyond BODY_BYTES_MAX, without reading on."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise BadDelivery("too large")
        chunks.append(chunk)
    return b"".join(chunks)
