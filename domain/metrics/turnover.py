"""What flowed, in a business's words. Pure: of sums over entries, which are the ledger's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.ledger import WALLETS, Account, Flow, Kind, Platform

_FEES: Final = str(Account.platform(Platform.FEES))
_LOSSES: Final = str(Account.platform(Platform.LOSSES))


@dataclass(frozen=True, kw_only=True)
class Turnover:
    """Minor units of one currency, of what was booked in a time; schema/metrics.py says what each is.

    Deposits, withdrawals, refunds and disputes are what passed between wallets and the outside. So what all
    wallets and escrows hold has grown by deposits, less the other three and fees, and by adjustments.
    """

    fees: int
    deposits: int
    withdrawals: int
    refunds: int
    disputes: int


def turnover(flows: Mapping[Flow, int]) -> Turnover:
    """What waits in platform:unexplained for a review is nobody's yet, and is in none of these."""

    def moved(*kinds: Kind, source: str | None = None, destination: str | None = None) -> int:
        return sum(
            amount
            for flow, amount in flows.items()
            if (not kinds or flow.kind in kinds)
            and source in (None, flow.source)
            and destination in (None, flow.destination)
        )

    def came(kind: Kind) -> int:
        """Into wallets: what only changed its place within them did not come."""
        within = moved(kind, source=WALLETS, destination=WALLETS)
        return moved(kind, destination=WALLETS) - within

    def left(kind: Kind) -> int:
        within = moved(kind, source=WALLETS, destination=WALLETS)
        return moved(kind, source=WALLETS) - within

    recovered = moved(Kind.DISPUTE_REINSTATED, destination=_LOSSES)
    return Turnover(
        fees=moved(destination=_FEES) - moved(source=_FEES),
        deposits=came(Kind.DEPOSIT),
        withdrawals=left(Kind.WITHDRAWAL_SENT) - came(Kind.WITHDRAWAL_REVERSED),
        refunds=left(Kind.REFUND_SENT) - came(Kind.REFUND_RETURNED),
        disputes=left(Kind.DISPUTE_WITHDRAWN) - came(Kind.DISPUTE_REINSTATED) - recovered,
    )
