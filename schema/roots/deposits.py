"""Deposits."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.deposits
from domain.deposits import DepositStatus
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from schema.deposits import (
    CancelDepositInput,
    CancelDepositPayload,
    CreateDepositInput,
    CreateDepositPayload,
    Deposit,
    ResolveDepositInput,
    ResolveDepositPayload,
)
from schema.operations import OperationFilter
from schema.shared import Connection, Info, answered


@strawberry.type
class DepositQueries:
    @strawberry.field(description="A deposit; null when it is not there or not yours.")
    async def deposit(self, info: Info, id: strawberry.ID) -> Deposit | None:
        deposit = await resolvers.deposits.find(info.context, id)
        return None if deposit is None else Deposit.of(deposit)

    @strawberry.field(description="ADMIN. Everybody's deposits, newest first.")
    async def deposits(
        self,
        info: Info,
        status: list[DepositStatus] | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Deposit]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.deposits.page(info.context, request, search, statuses=status)
        return Connection[Deposit].of(page, Deposit.of)


@strawberry.type
class DepositMutations:
    @strawberry.mutation(description="Start moving money from a card into the viewer's wallet.")
    async def create_deposit(self, info: Info, input: CreateDepositInput) -> CreateDepositPayload:
        return await answered(
            CreateDepositPayload, resolvers.deposits.create_deposit(info.context, input.to_command())
        )

    @strawberry.mutation(
        description="Cancel a deposit that nobody paid yet; again is no change. A payment that races it wins."
    )
    async def cancel_deposit(self, info: Info, input: CancelDepositInput) -> CancelDepositPayload:
        return await answered(CancelDepositPayload, resolvers.deposits.cancel_deposit(info.context, input.id))

    @strawberry.mutation(
        description="ADMIN. Decide about money that was received for a deposit, but not as agreed. The same "
        "decision again, about the same receipt, is no change."
    )
    async def resolve_deposit(self, info: Info, input: ResolveDepositInput) -> ResolveDepositPayload:
        return await answered(
            ResolveDepositPayload, resolvers.deposits.resolve_deposit(info.context, input.to_command())
        )


@strawberry.type
class DepositSubscriptions:
    @strawberry.subscription(
        description="Null when it is not there or not yours. The present state at once, then changes; "
        "completes when settled."
    )
    async def deposit_updated(self, info: Info, id: strawberry.ID) -> AsyncIterator[Deposit | None]:
        async for deposit in resolvers.deposits.watch(info.context, id):
            yield None if deposit is None else Deposit.of(deposit)
