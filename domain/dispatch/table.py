"""(endpoint, event type) -> handler. A type that is not here is kept and marked IGNORED."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain import customers, deposits, methods, onboarding, withdrawals
from domain.inbox import Endpoint, WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime


@dataclass(frozen=True)
class Handler:
    """`gather` asks Stripe, outside; `apply` writes, in the transaction that marks the event."""

    gather: Callable[[Runtime, Mapping[str, Any]], Awaitable[Any]]
    apply: Callable[[Tx, Runtime, WebhookEvent, Any], Awaitable[str]]


_PAYMENT_INTENT = Handler(gather=deposits.events.gather, apply=deposits.events.apply)
_PAYMENT_METHOD = Handler(gather=methods.events.gather, apply=methods.events.apply)
_CUSTOMER = Handler(gather=customers.events.gather, apply=customers.events.apply)
_TRANSFER = Handler(gather=withdrawals.events.gather_transfer, apply=withdrawals.events.apply_transfer)
_PAYOUT = Handler(gather=withdrawals.events.gather_payout, apply=withdrawals.events.apply_payout)
_FUNDS = Handler(gather=withdrawals.events.gather_funds, apply=withdrawals.events.apply_funds)
_REFUND = Handler(gather=deposits.events.gather_refund, apply=deposits.events.apply_refund)
_ACCOUNT = Handler(gather=onboarding.events.gather, apply=onboarding.events.apply)
_DEAUTHORIZATION = Handler(gather=onboarding.events.gather_deauthorization, apply=onboarding.events.apply)

# The endpoint that they come to, the noun, its changes, and what handles them.
_TABLE: Final = (
    (
        Endpoint.PLATFORM,
        "payment_intent",
        ("succeeded", "payment_failed", "processing", "requires_action", "canceled"),
        _PAYMENT_INTENT,
    ),
    (
        Endpoint.PLATFORM,
        "payment_method",
        ("attached", "detached", "updated", "automatically_updated"),
        _PAYMENT_METHOD,
    ),
    (Endpoint.PLATFORM, "setup_intent", ("succeeded",), _PAYMENT_METHOD),
    (Endpoint.PLATFORM, "customer", ("updated", "deleted"), _CUSTOMER),
    (Endpoint.PLATFORM, "refund", ("created", "updated", "failed"), _REFUND),
    (Endpoint.PLATFORM, "transfer", ("created", "updated", "reversed"), _TRANSFER),
    (Endpoint.PLATFORM, "balance", ("available",), _FUNDS),
    (
        Endpoint.CONNECT,
        "payout",
        ("created", "updated", "paid", "failed", "canceled", "reconciliation_completed"),
        _PAYOUT,
    ),
    # Of the same account, whichever endpoint is told.
    *(
        (endpoint, noun, changes, handler)
        for endpoint in Endpoint
        for noun, changes, handler in (
            ("account", ("updated",), _ACCOUNT),
            ("account.application", ("deauthorized",), _DEAUTHORIZATION),
            ("account.external_account", ("created", "updated", "deleted"), _ACCOUNT),
            ("capability", ("updated",), _ACCOUNT),
            ("person", ("updated",), _ACCOUNT),
        )
    ),
)
HANDLERS: Final[Mapping[tuple[Endpoint, str], Handler]] = {
    (endpoint, f"{noun}.{change}"): handler
    for endpoint, noun, changes, handler in _TABLE
    for change in changes
}
