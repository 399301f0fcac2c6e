"""How the business does."""

from typing import Annotated

import strawberry

import resolvers.metrics
from domain.metrics import SPAN_DAYS_MAX
from schema.metrics import BusinessMetrics
from schema.shared import USD, CurrencyCode, DateTime, Info


@strawberry.type
class MetricsQueries:
    @strawberry.field(
        description="ADMIN. What flowed from `from` on and before `to`, and what is locked or at risk now. "
        f"BAD_REQUEST: a time that ends before it begins, or is longer than {SPAN_DAYS_MAX} days."
    )
    async def business_metrics(
        self,
        info: Info,
        from_: Annotated[DateTime, strawberry.argument(name="from", description="Included.")],
        to: Annotated[DateTime, strawberry.argument(description="Not included.")],
        currency: CurrencyCode = USD,
    ) -> BusinessMetrics:
        return BusinessMetrics.of(await resolvers.metrics.measure(info.context, currency, from_, to))
