"""The business, measured in one snapshot: all figures are of the same instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain import disputes, escrow, ledger, sending
from domain.kernel.errors import BadRequest
from domain.kernel.search import check_known
from domain.metrics.turnover import Turnover, turnover
from domain.refunds import Refund
from domain.runtime import Runtime
from domain.withdrawals import Withdrawal

# A leap year: each entry of the time is read.
SPAN_DAYS_MAX: Final = 366


@dataclass(frozen=True, kw_only=True)
class MoneyAtRisk:
    """Minor units, now. `unconfirmed`: withdrawals and refunds of which nobody knows whether they were sent.

    `negative`: what wallets owe. `disputed`: what open disputes are about, be it taken already or not.
    """

    unconfirmed: int
    negative: int
    disputed: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The value and `turnover` of [since, until); the rest is as at `measured_at`. Minor units of `currency`.

    `gross_merchandise_value`: of prices, what was released or refunded.
    """

    since: datetime
    until: datetime
    currency: str
    measured_at: datetime
    gross_merchandise_value: int
    turnover: Turnover
    in_escrow: int
    at_risk: MoneyAtRisk


async def measure(runtime: Runtime, currency: str, since: datetime, until: datetime) -> Metrics:
    """Raises BadRequest: a time that ends before it begins, or is too long; what is no currency."""
    check_known(currency)
    if since >= until:
        raise BadRequest("`from` must be before `to`.")
    if until - since > timedelta(days=SPAN_DAYS_MAX):
        raise BadRequest(f"At most {SPAN_DAYS_MAX} days can be measured at once.")
    measured_at = runtime.now()
    async with runtime.database.client.start_session(snapshot=True) as session:
        return Metrics(
            since=since,
            until=until,
            currency=currency,
            measured_at=measured_at,
            gross_merchandise_value=await escrow.turned_over(currency, since, until, session),
            turnover=turnover(await ledger.flows(currency, since, until, session)),
            in_escrow=await escrow.locked_in(currency, session),
            at_risk=MoneyAtRisk(
                unconfirmed=sum(
                    [
                        await sending.in_doubt(Withdrawal, currency, session),
                        await sending.in_doubt(Refund, currency, session),
                    ]
                ),
                negative=await ledger.owed(currency, session),
                disputed=await disputes.in_dispute(currency, session),
            ),
        )
