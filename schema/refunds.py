"""Refunds, as clients see them."""

import strawberry

import resolvers.deposits
import resolvers.refunds
from domain import refunds
from domain.kernel.operations import Blocker
from domain.refunds import (
    RefundDeposit,
    RefundOrigin,
    RefundOutcome,
    RefundStatus,
    Requested,
    ResolveRefund,
)
from schema.deposits import Deposit
from schema.shared import (
    DateTime,
    Failure,
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
    RefundStatus,
    description="Where a refund stands. PROCESSING: Stripe is being asked, or is bringing it to the card. "
    "UNCONFIRMED: nobody knows yet whether it was made. SUCCEEDED, FAILED and CANCELED are settled; a bank "
    "may send back what SUCCEEDED, days later. More may be added.",
)
strawberry.enum(
    RefundOrigin,
    description="PRODUCT: asked for here. STRIPE: made at Stripe by hand, and adopted. More may be added.",
)
strawberry.enum(
    RefundOutcome, description="What an administrator found out about a refund. More may be added."
)


@strawberry.type(description="Money of a deposit that goes back to the card it came from.")
class Refund(Node, Operation):
    document: strawberry.Private[refunds.Refund]
    owner: Party = strawberry.field(description="Whose wallet it leaves.")
    amount: Money = strawberry.field(description="How much goes back.")
    status: RefundStatus = strawberry.field(description="Where it stands.")
    origin: RefundOrigin = strawberry.field(description="Where it was asked for.")
    failure: Failure | None = strawberry.field(description="Why it did not work, or the bank said no.")
    attempts: int = strawberry.field(description="How often the payment provider was asked.")
    next_attempt_at: DateTime | None = strawberry.field(
        description="When it is tried, or asked about, again; null when nothing is due."
    )
    refund_id: str | None = strawberry.field(description="Stripe's id of the refund, once it is made.")

    @strawberry.field(description="What it is a refund of.")
    async def deposit(self, info: Info) -> Deposit:
        return Deposit.of(await resolvers.deposits.get(info.context, self.document.deposit))

    async def blocker(self, info: Info) -> Blocker | None:
        return await resolvers.refunds.waiting_for(info.context, self.document)

    @classmethod
    def of(cls, document: refunds.Refund) -> "Refund":
        return cls(
            **operation_fields(document),
            owner=Party.of(document.owner),
            amount=Money.of(document.amount, document.currency),
            status=document.status,
            origin=document.origin,
            failure=None if document.failure is None else Failure.of(document.failure),
            attempts=document.attempts_made,
            next_attempt_at=document.next_attempt_at if document.holds_money else None,
            refund_id=None if document.sent is None else document.sent.id,
        )


@strawberry.input(description="A refund to be made.")
class RefundDepositInput:
    deposit_id: strawberry.ID = strawberry.field(description="The deposit's id.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    amount: MinorUnits | None = strawberry.field(
        default=None, description="A part, in minor units; all that is left when absent."
    )
    reason: str | None = strawberry.field(
        default=None, description="At most 500 characters; the refund's history keeps it."
    )

    def to_command(self) -> RefundDeposit:
        return RefundDeposit(
            deposit_id=self.deposit_id,
            amount=self.amount,
            reason=self.reason,
            idempotency_key=self.idempotency_key,
        )


@strawberry.type(description="The refund, whose money is reserved, or why there is none.")
class RefundDepositPayload:
    refund: Refund | None = strawberry.field(default=None, description="Null when nothing was made.")
    idempotency: Idempotency | None = strawberry.field(default=None, description="What the key did.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, requested: Requested) -> "RefundDepositPayload":
        document = requested.refund
        return cls(
            refund=Refund.of(document),
            idempotency=Idempotency(replayed=requested.replayed, first_seen_at=document.created_at),
        )


@strawberry.input(description="A refund, and why something is done about it.")
class RefundInput:
    id: strawberry.ID = strawberry.field(description="The refund's id.")
    reason: str | None = strawberry.field(
        default=None, description="At most 500 characters; the refund's history keeps it."
    )


@strawberry.type(description="The refund as it is now, or why nothing was done.")
class RefundPayload:
    refund: Refund | None = strawberry.field(default=None, description="Null when nothing was done.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, document: refunds.Refund) -> "RefundPayload":
        return cls(refund=Refund.of(document))


@strawberry.input(description="What an administrator found out about a refund in review.")
class ResolveRefundInput:
    id: strawberry.ID = strawberry.field(description="The refund's id.")
    outcome: RefundOutcome = strawberry.field(description="Whether the refund was made.")
    reason: str = strawberry.field(description="1 to 500 characters; the refund's history keeps it.")
    refund_id: str | None = strawberry.field(
        default=None, description="Stripe's id of the refund. Required for SENT; verified at Stripe."
    )

    def to_command(self) -> ResolveRefund:
        return ResolveRefund(
            refund_id=self.id,
            outcome=self.outcome,
            reason=self.reason,
            stripe_refund_id=self.refund_id,
        )
