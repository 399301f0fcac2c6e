"""(endpoint, event type) -> handler. A type that is not here is kept and marked IGNORED."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain import deposits
from domain.inbox import Endpoint, WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime


@dataclass(frozen=True)
class Handler:
    """`gather` asks Stripe, outside; `apply` writes, in the transaction that marks the event."""

    gather: Callable[[Runtime, Mapping[str, Any]], Awaitable[Any]]
    apply: Callable[[Tx, Runtime, WebhookEvent, Any], Awaitable[str]]


_PAYMENT_INTENT = Handler(gather=deposits.events.gather, apply=deposits.events.apply)

_REFUND = Handler(gather=deposits.events.gather_refund, apply=deposits.events.apply_refund)

HANDLERS: Final[Mapping[tuple[Endpoint, str], Handler]] = {
    **{
        (Endpoint.PLATFORM, f"payment_intent.{change}"): _PAYMENT_INTENT
        for change in ("succeeded", "payment_failed", "processing", "requires_action", "canceled")
    },
    **{(Endpoint.PLATFORM, f"refund.{change}"): _REFUND for change in ("created", "updated", "failed")},
}
