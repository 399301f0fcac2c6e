"""Refunds."""

import strawberry

import resolvers.refunds
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from domain.refunds import RefundStatus
from schema.operations import OperationFilter
from schema.refunds import (
    Refund,
    RefundDepositInput,
    RefundDepositPayload,
    RefundInput,
    RefundPayload,
    ResolveRefundInput,
)
from schema.shared import Connection, Info, answered


@strawberry.type
class RefundQueries:
    @strawberry.field(description="A refund; null when it is not there or not yours.")
    async def refund(self, info: Info, id: strawberry.ID) -> Refund | None:
        refund = await resolvers.refunds.find(info.context, id)
        return None if refund is None else Refund.of(refund)

    @strawberry.field(description="ADMIN. Everybody's refunds, newest first.")
    async def refunds(
        self,
        info: Info,
        status: list[RefundStatus] | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Refund]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.refunds.page(info.context, request, search, statuses=status)
        return Connection[Refund].of(page, Refund.of)


@strawberry.type
class RefundMutations:
    @strawberry.mutation(
        description="ADMIN, and owners where the house lets them. Send money of a deposit back to its card, "
        "wholly or in part. It answers at once, with the money reserved; `refund` tells what becomes of it."
    )
    async def refund_deposit(self, info: Info, input: RefundDepositInput) -> RefundDepositPayload:
        requested = resolvers.refunds.refund_deposit(info.context, input.to_command())
        return await answered(RefundDepositPayload, requested)

    @strawberry.mutation(
        description="ADMIN, or its owner. Give the money back to the wallet, if nothing was sent yet; again "
        "is no change."
    )
    async def cancel_refund(self, info: Info, input: RefundInput) -> RefundPayload:
        canceled = resolvers.refunds.cancel_refund(info.context, input.id, input.reason)
        return await answered(RefundPayload, canceled)

    @strawberry.mutation(
        description="ADMIN. End the doubt about a refund in review: SENT, with Stripe's id of it, which is "
        "verified there; or NOT_SENT, once its key can make no refund any more."
    )
    async def resolve_refund(self, info: Info, input: ResolveRefundInput) -> RefundPayload:
        resolved = resolvers.refunds.resolve_refund(info.context, input.to_command())
        return await answered(RefundPayload, resolved)
