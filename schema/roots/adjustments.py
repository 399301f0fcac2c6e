"""Adjustments."""

import strawberry

import resolvers.adjustments
from domain.adjustments import AdjustmentStatus
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from schema.adjustments import (
    Adjustment,
    AdjustmentPayload,
    AdjustWalletInput,
    AdjustWalletPayload,
    ConfirmAdjustmentInput,
    RejectAdjustmentInput,
)
from schema.operations import OperationFilter
from schema.shared import Connection, Info, answered


@strawberry.type
class AdjustmentQueries:
    @strawberry.field(
        description="An adjustment; null when it is not there or, but for admins, not of one's own wallet or "
        "not posted."
    )
    async def adjustment(self, info: Info, id: strawberry.ID) -> Adjustment | None:
        adjustment = await resolvers.adjustments.find(info.context, id)
        return None if adjustment is None else Adjustment.of(adjustment)

    @strawberry.field(
        description="ADMIN. Everybody's adjustments, newest first. The filter's amounts are signed."
    )
    async def adjustments(
        self,
        info: Info,
        status: list[AdjustmentStatus] | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Adjustment]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.adjustments.page(info.context, request, search, statuses=status)
        return Connection[Adjustment].of(page, Adjustment.of)


@strawberry.type
class AdjustmentMutations:
    @strawberry.mutation(
        description="ADMIN. Correct somebody's wallet. Up to a limit, counted with the same administrator's "
        "other adjustments of the wallet of 24 hours, it is posted at once; above it, it waits for another "
        "administrator. Never below zero: INSUFFICIENT_FUNDS."
    )
    async def adjust_wallet(self, info: Info, input: AdjustWalletInput) -> AdjustWalletPayload:
        adjusted = resolvers.adjustments.adjust(info.context, input.to_command())
        return await answered(AdjustWalletPayload, adjusted)

    @strawberry.mutation(
        description="ADMIN. Post what another administrator asked for, never for one's own wallet; again is "
        "no change."
    )
    async def confirm_adjustment(self, info: Info, input: ConfirmAdjustmentInput) -> AdjustmentPayload:
        confirmed = resolvers.adjustments.confirm(info.context, input.id, input.reason)
        return await answered(AdjustmentPayload, confirmed)

    @strawberry.mutation(
        description="ADMIN. Let an adjustment that waits never be posted; whoever asked for it may do so "
        "too. Again is no change."
    )
    async def reject_adjustment(self, info: Info, input: RejectAdjustmentInput) -> AdjustmentPayload:
        rejected = resolvers.adjustments.reject(info.context, input.id, input.reason)
        return await answered(AdjustmentPayload, rejected)
