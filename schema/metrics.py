"""How the business does, as admins see it."""

import strawberry

from domain.metrics import Metrics
from schema.shared import CurrencyCode, DateTime, Money


@strawberry.type(description="Money that may be lost, as it is now.")
class MoneyAtRisk:
    unconfirmed: Money = strawberry.field(
        description="Withdrawals and refunds, UNCONFIRMED or NEEDS_REVIEW: nobody knows whether Stripe has "
        "sent them."
    )
    negative: Money = strawberry.field(description="What wallets below zero owe: the sum of `debts`.")
    disputed: Money = strawberry.field(
        description="What open disputes are about, inquiries included, be it taken by the bank already or "
        "not."
    )


@strawberry.type(
    description="One currency, by the books: from `from` on and before `to`, each amount when it was booked. "
    "Final five minutes after `to`: so long an entry may still be added. What all wallets and escrows hold "
    "has grown in that time by `deposits` less `withdrawals`, `refunds`, `disputes` and `fees`, and by "
    "adjustments and write-offs."
)
class BusinessMetrics:
    from_: DateTime = strawberry.field(name="from", description="Included.")
    to: DateTime = strawberry.field(description="Not included.")
    currency: CurrencyCode = strawberry.field(description="ISO 4217 code.")
    measured_at: DateTime = strawberry.field(description="When: `inEscrow` and `atRisk` are of this instant.")
    gross_merchandise_value: Money = strawberry.field(
        description="Money released or refunded through escrow, gross: of the prices of jobs, before the "
        "service fee is taken, and without the platform fee on top."
    )
    fees: Money = strawberry.field(
        description="What the platform earned: platform fees and service fees, when they left an escrow. "
        "Stripe's own fees are not deducted."
    )
    deposits: Money = strawberry.field(
        description="Gross: what was credited to wallets by deposits, also after a review. What was paid "
        "otherwise than agreed counts when it is credited, and never where it is sent back."
    )
    withdrawals: Money = strawberry.field(
        description="Net: what was sent from wallets to contractors' Stripe accounts, less what came back by "
        "reversals, each when it was booked. Below zero when more came back. A bank's refusal changes "
        "nothing: the money stays the contractor's, at Stripe."
    )
    refunds: Money = strawberry.field(
        description="Net: what was sent from wallets back to cards, less refunds that failed after they were "
        "sent, each when it was booked. Refunds of escrows stay in wallets, and are none."
    )
    disputes: Money = strawberry.field(
        description="Net: what banks took out of wallets for disputes, less what they gave back, also where "
        "that made good a loss that was written off. Dispute fees are Stripe's, and not in it."
    )
    in_escrow: Money = strawberry.field(description="What is locked in escrows now, fees included.")
    at_risk: MoneyAtRisk = strawberry.field(description="What may be lost, now.")

    @classmethod
    def of(cls, metrics: Metrics) -> "BusinessMetrics":
        def money(amount: int) -> Money:
            return Money.of(amount, metrics.currency)

        turnover, at_risk = metrics.turnover, metrics.at_risk
        return cls(
            from_=metrics.since,
            to=metrics.until,
            currency=CurrencyCode(metrics.currency),
            measured_at=metrics.measured_at,
            gross_merchandise_value=money(metrics.gross_merchandise_value),
            fees=money(turnover.fees),
            deposits=money(turnover.deposits),
            withdrawals=money(turnover.withdrawals),
            refunds=money(turnover.refunds),
            disputes=money(turnover.disputes),
            in_escrow=money(metrics.in_escrow),
            at_risk=MoneyAtRisk(
                unconfirmed=money(at_risk.unconfirmed),
                negative=money(at_risk.negative),
                disputed=money(at_risk.disputed),
            ),
        )
