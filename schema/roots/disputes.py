"""Disputes."""

import strawberry

import resolvers.disputes
from domain.disputes import DisputeStatus
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from schema.disputes import Dispute, DisputePayload, WriteOffDisputeInput
from schema.operations import OperationFilter
from schema.shared import Connection, Info, answered


@strawberry.type
class DisputeQueries:
    @strawberry.field(description="A dispute; null when it is not there or not yours.")
    async def dispute(self, info: Info, id: strawberry.ID) -> Dispute | None:
        dispute = await resolvers.disputes.find(info.context, id)
        return None if dispute is None else Dispute.of(dispute)

    @strawberry.field(description="ADMIN. Everybody's disputes, newest first.")
    async def disputes(
        self,
        info: Info,
        status: list[DisputeStatus] | None = None,
        filter: OperationFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Dispute]:
        request = PageRequest.of(first, after, last, before)
        search = Search() if filter is None else filter.to_search()
        page = await resolvers.disputes.page(info.context, request, search, statuses=status)
        return Connection[Dispute].of(page, Dispute.of)


@strawberry.type
class DisputeMutations:
    @strawberry.mutation(
        description="ADMIN. Pay what a wallet owes for a dispute out of the platform's losses, never one's "
        "own; once for a dispute, and the same again is no change. What the bank gives back later makes "
        "good the loss first."
    )
    async def write_off_dispute(self, info: Info, input: WriteOffDisputeInput) -> DisputePayload:
        written_off = resolvers.disputes.write_off(info.context, input.to_command())
        return await answered(DisputePayload, written_off)
