"""The money trail."""

import strawberry

import resolvers.trail
from schema.shared import Info
from schema.trail import MoneyTrail


@strawberry.type
class TrailQueries:
    @strawberry.field(
        description="Where is this money? Its way, of a deposit, withdrawal, escrow, escrow move, refund, "
        "dispute or adjustment, or of a thing at Stripe by its id there. An owner sees what happened in "
        "their own wallets and in escrows of theirs, an admin everything. Null when it is not there or not "
        "yours."
    )
    async def money_trail(self, info: Info, of: strawberry.ID) -> MoneyTrail | None:
        found = await resolvers.trail.money_trail(info.context, of)
        return None if found is None else MoneyTrail.of(found)
