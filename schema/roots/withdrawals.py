"""Withdrawals."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.withdrawals
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from domain.withdrawals import WithdrawalStatus
from schema.operations import OperationFilter
from schema.shared import Connection, Info, answered
from schema.withdrawals import (
    RequestWithdrawalInput,
    RequestWithdrawalPayload,
    ResolveWithdrawalInput,
    Withdrawal,
    WithdrawalInput,
    WithdrawalPayload,
)


@strawberry.type
class WithdrawalQueries:
    @strawberry.field(description="A withdrawal; null when it is not there or not yours.")
    async def withdrawal(self, info: Info, id: strawberry.ID) -> Withdrawal | None:
        withdrawal = await resolvers.withdrawals.find(info.context, id)
        return None if withdrawal is None else Withdrawal.of(withdrawal)

    @strawberry.field(description="ADMIN. Everybody's withdrawals, newest first.")
    async def withdrawals(
        self,
        info: Info,
        status: list[WithdrawalStatus] | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Withdrawal]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.withdrawals.page(info.context, request, search, statuses=status)
        return Connection[Withdrawal].of(page, Withdrawal.of)


@strawberry.type
class WithdrawalMutations:
    @strawberry.mutation(
        description="Reserve money of the viewer's wallet and send it to their bank. It answers at once; "
        "withdrawalUpdated tells what becomes of it."
    )
    async def request_withdrawal(self, info: Info, input: RequestWithdrawalInput) -> RequestWithdrawalPayload:
        requested = resolvers.withdrawals.request_withdrawal(info.context, input.to_command())
        return await answered(RequestWithdrawalPayload, requested)

    @strawberry.mutation(
        description="Give the money back, if nothing was sent yet; again is no change. Of this and the "
        "sending that race, one wins."
    )
    async def cancel_withdrawal(self, info: Info, input: WithdrawalInput) -> WithdrawalPayload:
        canceled = resolvers.withdrawals.cancel_withdrawal(info.context, input.id, input.reason)
        return await answered(WithdrawalPayload, canceled)

    @strawberry.mutation(
        description="ADMIN. Let a large withdrawal be sent, never one's own; again is no change."
    )
    async def approve_withdrawal(self, info: Info, input: WithdrawalInput) -> WithdrawalPayload:
        approved = resolvers.withdrawals.approve_withdrawal(info.context, input.id, input.reason)
        return await answered(WithdrawalPayload, approved)

    @strawberry.mutation(
        description="ADMIN. Refuse a large withdrawal, never one's own: the money is available again."
    )
    async def reject_withdrawal(self, info: Info, input: WithdrawalInput) -> WithdrawalPayload:
        rejected = resolvers.withdrawals.reject_withdrawal(info.context, input.id, input.reason)
        return await answered(WithdrawalPayload, rejected)

    @strawberry.mutation(
        description="ADMIN. End the doubt about a withdrawal in review: SENT, with the transfer's id, which "
        "is verified at Stripe; or NOT_SENT, once its key can make no transfer any more."
    )
    async def resolve_withdrawal(self, info: Info, input: ResolveWithdrawalInput) -> WithdrawalPayload:
        resolved = resolvers.withdrawals.resolve_withdrawal(info.context, input.to_command())
        return await answered(WithdrawalPayload, resolved)


@strawberry.type
class WithdrawalSubscriptions:
    @strawberry.subscription(
        description="Null when it is not there or not yours. The present state at once, then changes; "
        "completes when settled."
    )
    async def withdrawal_updated(self, info: Info, id: strawberry.ID) -> AsyncIterator[Withdrawal | None]:
        async for withdrawal in resolvers.withdrawals.watch(info.context, id):
            yield None if withdrawal is None else Withdrawal.of(withdrawal)
