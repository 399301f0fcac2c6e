"""Escrows, as clients see them."""

import strawberry

import resolvers.escrow
from domain import escrow
from domain.escrow import (
    Answered,
    CreateEscrow,
    EscrowSide,
    EscrowStatus,
    MoveKind,
    RefundEscrow,
    ReleaseEscrow,
    ResolveEscrow,
)
from domain.kernel.operations import Blocker
from schema.shared import (
    USD,
    CurrencyCode,
    DateTime,
    Idempotency,
    Info,
    MinorUnits,
    Money,
    Node,
    Operation,
    Party,
    UserError,
    operation_fields,
)

strawberry.enum(
    EscrowStatus,
    description="Where an escrow stands. RELEASED, REFUNDED, SPLIT (a part to each party), REJECTED, EXPIRED "
    "and CANCELED are settled: nothing is left in it. More may be added.",
)
strawberry.enum(EscrowSide, description="On whose side of the deal a person stands. More may be added.")
strawberry.enum(
    MoveKind,
    name="EscrowMoveKind",
    description="RELEASE: to the contractor. REFUND: back to the customer. More may be added.",
)


@strawberry.type(description="One release or refund of an escrow. Never changes once written.")
class EscrowMove(Node):
    kind: MoveKind = strawberry.field(description="Which way it paid.")
    amount: Money = strawberry.field(description="Of the price.")
    net: Money = strawberry.field(
        description="What the receiver got: of a release, less the service fee's share; of a refund, with "
        "the platform fee's share."
    )
    at: DateTime = strawberry.field(description="When.")
    actor: str = strawberry.field(
        description="On whose word: owner (the customer), other party (the contractor), admin, worker."
    )
    reason: str | None = strawberry.field(description="Why, where there is more to say.")

    @classmethod
    def of(cls, document: escrow.EscrowMove) -> "EscrowMove":
        return cls(
            id=strawberry.ID(document.id),
            kind=document.kind,
            amount=Money.of(document.amount, document.currency),
            net=Money.of(document.net, document.currency),
            at=document.created_at,
            actor=document.actor.value,
            reason=document.reason,
        )


@strawberry.type(description="A job's money: the customer's, locked until it is released or refunded.")
class Escrow(Node, Operation):
    document: strawberry.Private[escrow.Escrow]
    job_id: str = strawberry.field(description="The marketplace's own reference.")
    customer: Party = strawberry.field(description="Who pays.")
    contractor: Party = strawberry.field(description="Who does the job.")
    status: EscrowStatus = strawberry.field(description="Where it stands.")
    price: Money = strawberry.field(description="What was agreed for the job.")
    platform_fee: Money = strawberry.field(description="What the customer pays on top of the price.")
    service_fee: Money = strawberry.field(description="What the contractor pays out of the price.")
    charged: Money = strawberry.field(description="Price plus platform fee.")
    payout: Money = strawberry.field(description="Price less service fee.")
    released: Money = strawberry.field(description="Of the price, so far.")
    refunded: Money = strawberry.field(description="Of the price, so far.")
    expires_at: DateTime | None = strawberry.field(
        description="When all of it goes back unless it is accepted by then; null once that cannot be."
    )

    @strawberry.field(description="Its releases and refunds, oldest first.")
    async def moves(self, info: Info) -> list[EscrowMove]:
        return [EscrowMove.of(move) for move in await resolvers.escrow.moves_of(info.context, self.id)]

    async def blocker(self, info: Info) -> Blocker | None:
        return await resolvers.escrow.waiting_for(info.context, self.document)

    @classmethod
    def of(cls, document: escrow.Escrow) -> "Escrow":
        """Only for its parties, and for admins."""
        terms, currency = document.terms, document.currency
        return cls(
            **operation_fields(document),
            job_id=document.job_id,
            customer=Party.of(document.owner),
            contractor=Party.of(document.contractor),
            status=document.status,
            price=Money.of(terms.price, currency),
            platform_fee=Money.of(terms.platform_fee, currency),
            service_fee=Money.of(terms.service_fee, currency),
            charged=Money.of(terms.charged, currency),
            payout=Money.of(terms.payout, currency),
            released=Money.of(document.released, currency),
            refunded=Money.of(document.refunded, currency),
            expires_at=document.expires_at if document.status is EscrowStatus.FUNDED else None,
        )


@strawberry.input(description="A job's money to be locked.")
class CreateEscrowInput:
    job_id: str = strawberry.field(description="The marketplace's own reference, 1 to 255 characters.")
    contractor_id: strawberry.ID = strawberry.field(description="Who is to do the job: a contractor's usr_.")
    price: MinorUnits = strawberry.field(
        description="In minor units: 1050 is $10.50. The platform fee is charged on top of it."
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    currency: CurrencyCode = strawberry.field(default=USD, description="One that the platform takes.")

    def to_command(self) -> CreateEscrow:
        return CreateEscrow(
            job_id=self.job_id,
            contractor_id=self.contractor_id,
            price=self.price,
            currency=self.currency,
            idempotency_key=self.idempotency_key,
        )


@strawberry.input(description="An escrow, and why.")
class EscrowInput:
    id: strawberry.ID = strawberry.field(description="The escrow's id.")
    reason: str | None = strawberry.field(
        default=None,
        description="At most 500 characters, which both parties can read; disputeEscrow needs one.",
    )


@strawberry.input(description="What is to be released.")
class ReleaseEscrowInput:
    id: strawberry.ID = strawberry.field(description="The escrow's id.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per release."
    )
    amount: MinorUnits | None = strawberry.field(
        default=None, description="A milestone, in price; the whole rest when absent."
    )

    def to_command(self) -> ReleaseEscrow:
        return ReleaseEscrow(escrow_id=self.id, idempotency_key=self.idempotency_key, amount=self.amount)


@strawberry.input(description="What is to be refunded.")
class RefundEscrowInput:
    id: strawberry.ID = strawberry.field(description="The escrow's id.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per refund."
    )
    amount: MinorUnits | None = strawberry.field(
        default=None, description="Of the price; the whole rest when absent."
    )
    reason: str | None = strawberry.field(
        default=None, description="At most 500 characters, which both parties can read."
    )

    def to_command(self) -> RefundEscrow:
        return RefundEscrow(
            escrow_id=self.id,
            idempotency_key=self.idempotency_key,
            amount=self.amount,
            reason=self.reason,
        )


@strawberry.input(description="What an administrator decides about a disputed escrow. It ends by it.")
class ResolveEscrowInput:
    id: strawberry.ID = strawberry.field(description="The escrow's id.")
    release_amount: MinorUnits = strawberry.field(
        description="What of the price's rest goes to the contractor, from 0 to all of it; all else goes "
        "back to the customer."
    )
    reason: str = strawberry.field(description="1 to 500 characters, which both parties can read.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per decision."
    )

    def to_command(self) -> ResolveEscrow:
        return ResolveEscrow(
            escrow_id=self.id,
            release_amount=self.release_amount,
            reason=self.reason,
            idempotency_key=self.idempotency_key,
        )


@strawberry.type(description="The escrow as it is now, or why nothing was done.")
class EscrowPayload:
    escrow: Escrow | None = strawberry.field(default=None, description="Null when nothing was done.")
    idempotency: Idempotency | None = strawberry.field(
        default=None, description="What the key did; null for what takes none."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, answered: Answered) -> "EscrowPayload":
        first_seen_at = answered.first_seen_at
        return cls(
            escrow=Escrow.of(answered.escrow),
            idempotency=None
            if first_seen_at is None
            else Idempotency(replayed=answered.replayed, first_seen_at=first_seen_at),
        )
