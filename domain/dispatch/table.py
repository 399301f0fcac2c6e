"""(endpoint, event type) -> handler. A type that is not here is kept and marked IGNORED."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain import customers, deposits, disputes, methods, onboarding, refunds, withdrawals
from domain.inbox import Endpoint, Handled, WebhookEvent
from domain.kernel.database import Tx
from domain.runtime import Runtime


@dataclass(frozen=True)
class Handler:
    """`gather` asks Stripe, outside; `apply` writes, in the transaction that marks the event.

    `after`: what is only told once that has committed, and is not lost when nobody hears it.
    """

    gather: Callable[[Runtime, Mapping[str, Any]], Awaitable[Any]]
    apply: Callable[[Tx, Runtime, WebhookEvent, Any], Awaitable[Handled]]
    after: Callable[[Runtime, str], Awaitable[None]] | None = None


async def _account_changed(tx: Tx, runtime: Runtime, event: WebhookEvent, fact: Any) -> Handled:
    """Its owner's withdrawals may have waited for that."""
    handled = await onboarding.events.apply(tx, runtime, event, fact)
    await withdrawals.wake(tx, handled.outcome)
    return handled


async def _apply_funds(tx: Tx, _runtime: Runtime, _event: WebhookEvent, _fact: Any) -> Handled:
    """Whoever waited for the platform's money tries again."""
    woken = await withdrawals.wake_for_funds(tx) + await refunds.wake_for_funds(tx)
    return Handled(f"woke {woken}")


async def _nothing(_runtime: Runtime, _payload: Mapping[str, Any]) -> None:
    """Nothing to ask."""


async def _funds_came(runtime: Runtime, _outcome: str) -> None:
    await withdrawals.ring_woken(runtime, None)


_PAYMENT_INTENT = Handler(gather=deposits.events.gather, apply=deposits.events.apply)
_CHECKOUT = Handler(gather=deposits.events.gather_page, apply=deposits.events.apply_page)
_PAYMENT_METHOD = Handler(gather=methods.events.gather, apply=methods.events.apply)
_CUSTOMER = Handler(gather=customers.events.gather, apply=customers.events.apply)
_TRANSFER = Handler(gather=withdrawals.events.gather_transfer, apply=withdrawals.events.apply_transfer)
_PAYOUT = Handler(gather=withdrawals.events.gather_payout, apply=withdrawals.events.apply_payout)
_DISPUTE = Handler(gather=disputes.events.gather, apply=disputes.events.apply, after=disputes.events.after)
_FUNDS = Handler(gather=_nothing, apply=_apply_funds, after=_funds_came)
_REFUND = Handler(gather=refunds.events.gather, apply=refunds.events.apply)
_ACCOUNT = Handler(gather=onboarding.events.gather, apply=_account_changed, after=withdrawals.ring_woken)
_DEAUTHORIZATION = Handler(gather=onboarding.events.gather_deauthorization, apply=_account_changed)

_Rows = tuple[tuple[str, tuple[str, ...], Handler], ...]

_PLATFORM: Final[_Rows] = (
    (
        "payment_intent",
        ("succeeded", "payment_failed", "processing", "requires_action", "canceled"),
        _PAYMENT_INTENT,
    ),
    (
        "checkout.session",
        ("completed", "async_payment_succeeded", "async_payment_failed", "expired"),
        _CHECKOUT,
    ),
    ("payment_method", ("attached", "detached", "updated", "automatically_updated"), _PAYMENT_METHOD),
    ("setup_intent", ("succeeded",), _PAYMENT_METHOD),
    ("customer", ("updated", "deleted"), _CUSTOMER),
    ("refund", ("created", "updated", "failed"), _REFUND),
    (
        "charge.dispute",
        ("created", "updated", "funds_withdrawn", "funds_reinstated", "closed"),
        _DISPUTE,
    ),
    ("transfer", ("created", "updated", "reversed"), _TRANSFER),
    ("balance", ("available",), _FUNDS),
)
_CONNECT: Final[_Rows] = (
    ("payout", ("created", "updated", "paid", "failed", "canceled", "reconciliation_completed"), _PAYOUT),
)
# Of the same account, whichever endpoint was told.
_BOTH: Final[_Rows] = (
    ("account", ("updated",), _ACCOUNT),
    ("account", ("application.deauthorized",), _DEAUTHORIZATION),
    ("account.external_account", ("created", "updated", "deleted"), _ACCOUNT),
    ("capability", ("updated",), _ACCOUNT),
    ("person", ("updated",), _ACCOUNT),
)

HANDLERS: Final[Mapping[tuple[Endpoint, str], Handler]] = {
    (endpoint, f"{noun}.{change}"): handler
    for endpoint, rows in ((Endpoint.PLATFORM, _PLATFORM + _BOTH), (Endpoint.CONNECT, _CONNECT + _BOTH))
    for noun, changes, handler in rows
    for change in changes
}
