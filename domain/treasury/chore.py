"""What is done every so often: Stripe's movements read, a snapshot cut, funds held against what is owed."""

from prometheus_client import Gauge

from domain import ledger
from domain.kernel.alerts import alert
from domain.runtime import Runtime
from domain.treasury.reading import read_all

_AVAILABLE = Gauge(
    "jobsphere_stripe_available",
    "The platform's available balance at Stripe, in minor units.",
    ["currency"],
    multiprocess_mode="mostrecent",
)
_WITHDRAWABLE = Gauge(
    "jobsphere_withdrawable",
    "What users could withdraw now, in minor units.",
    ["currency"],
    multiprocess_mode="mostrecent",
)


async def read_balance_transactions(runtime: Runtime) -> None:
    """May be run twice, and by two processes at once. Raises StripeTrouble: the rest is done next time."""
    await read_all(runtime)
    await ledger.cut_snapshot(runtime.now())
    await _compare_funds(runtime)


async def _compare_funds(runtime: Runtime) -> None:
    """An alert for each currency in which Stripe has less available than users could withdraw now.

    At every run, for as long as the shortage lasts.
    """
    available = (await runtime.gateway.balance()).available
    withdrawable = await ledger.withdrawable()
    for currency in sorted(available.keys() | withdrawable.keys()):
        have, need = available.get(currency, 0), withdrawable.get(currency, 0)
        _AVAILABLE.labels(currency=currency).set(have)
        _WITHDRAWABLE.labels(currency=currency).set(need)
        if have < need:
            alert("STRIPE_BALANCE_LOW", currency=currency, available=have, withdrawable=need)
