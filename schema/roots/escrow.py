"""Escrows."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.escrow
from domain.escrow import EscrowStatus
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from schema.escrow import (
    CreateEscrowInput,
    Escrow,
    EscrowInput,
    EscrowPayload,
    RefundEscrowInput,
    ReleaseEscrowInput,
    ResolveEscrowInput,
)
from schema.operations import OperationFilter
from schema.shared import Connection, Info, answered


@strawberry.type
class EscrowQueries:
    @strawberry.field(description="An escrow; null when it is not there or not yours.")
    async def escrow(self, info: Info, id: strawberry.ID) -> Escrow | None:
        escrow = await resolvers.escrow.find(info.context, id)
        return None if escrow is None else Escrow.of(escrow)

    @strawberry.field(
        description="ADMIN. Everybody's escrows, newest first. The filter's person is either party, its "
        "amounts are prices."
    )
    async def escrows(
        self,
        info: Info,
        status: list[EscrowStatus] | None = None,
        job_id: str | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Escrow]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.escrow.page(info.context, request, search, statuses=status, job_id=job_id)
        return Connection[Escrow].of(page, Escrow.of)


@strawberry.type
class EscrowMutations:
    @strawberry.mutation(
        description="CUSTOMER. Lock a job's price and the platform fee, out of the viewer's wallet."
    )
    async def create_escrow(self, info: Info, input: CreateEscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.create(info.context, input.to_command()))

    @strawberry.mutation(
        description="The contractor takes the job on, before `expiresAt`. From then on the customer gets "
        "back only what the contractor or an administrator refunds. Again is no change."
    )
    async def accept_escrow(self, info: Info, input: EscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.accept(info.context, input.id, input.reason))

    @strawberry.mutation(
        description="The contractor does not want the job: all goes back, the fee too. Again is no change."
    )
    async def reject_escrow(self, info: Info, input: EscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.reject(info.context, input.id, input.reason))

    @strawberry.mutation(
        description="The customer takes back what nobody accepted yet, the fee too. Again is no change."
    )
    async def cancel_escrow(self, info: Info, input: EscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.cancel(info.context, input.id, input.reason))

    @strawberry.mutation(
        description="Either party, of what was accepted: nothing is released until an administrator decides. "
        "Needs a reason. Again is no change."
    )
    async def dispute_escrow(self, info: Info, input: EscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.dispute(info.context, input.id, input.reason))

    @strawberry.mutation(
        description="The customer, or an administrator: pay the contractor, wholly or in part. An "
        "administrator's part of what is disputed ends the dispute, and the job goes on."
    )
    async def release_escrow(self, info: Info, input: ReleaseEscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.release(info.context, input.to_command()))

    @strawberry.mutation(
        description="The contractor at any time after the acceptance, or an administrator always: pay the "
        "customer back, wholly or in part, with the fee's share."
    )
    async def refund_escrow(self, info: Info, input: RefundEscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.refund(info.context, input.to_command()))

    @strawberry.mutation(
        description="ADMIN, who is no party. End a dispute: a part of the rest to the contractor, all else "
        "to the customer."
    )
    async def resolve_escrow(self, info: Info, input: ResolveEscrowInput) -> EscrowPayload:
        return await answered(EscrowPayload, resolvers.escrow.resolve(info.context, input.to_command()))


@strawberry.type
class EscrowSubscriptions:
    @strawberry.subscription(
        description="Null when it is not there or not yours. The present state at once, then changes; "
        "completes when settled."
    )
    async def escrow_updated(self, info: Info, id: strawberry.ID) -> AsyncIterator[Escrow | None]:
        async for escrow in resolvers.escrow.watch(info.context, id):
            yield None if escrow is None else Escrow.of(escrow)
