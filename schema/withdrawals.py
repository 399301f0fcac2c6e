"""Withdrawals, as clients see them."""

import strawberry

import resolvers.withdrawals
from domain import withdrawals
from domain.kernel.operations import Blocker
from domain.withdrawals import (
    Requested,
    RequestWithdrawal,
    ResolveWithdrawal,
    WithdrawalOutcome,
    WithdrawalStatus,
)
from schema.shared import (
    USD,
    CurrencyCode,
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
    WithdrawalStatus,
    description="Where a withdrawal stands. UNCONFIRMED: nobody knows yet whether the transfer was made. "
    "IN_TRANSIT: it is in the contractor's Stripe account, on its way to the bank. PAYOUT_FAILED: the bank "
    "said no, and the money waits in that account. PAID, FAILED, REVERSED, REJECTED and CANCELED are "
    "settled. More may be added.",
)
strawberry.enum(
    WithdrawalOutcome, description="What an administrator found out about a transfer. More may be added."
)


@strawberry.type(description="Money that a contractor takes out of their wallet, to their bank.")
class Withdrawal(Node, Operation):
    document: strawberry.Private[withdrawals.Withdrawal]
    owner: Party = strawberry.field(description="Whose wallet it leaves.")
    amount: Money = strawberry.field(description="What was asked for.")
    reversed: Money = strawberry.field(description="What came back of it; it may be a part.")
    status: WithdrawalStatus = strawberry.field(description="Where it stands.")
    failure: Failure | None = strawberry.field(description="Why it did not work, or the bank said no.")
    attempts: int = strawberry.field(description="How often the payment provider was asked.")
    next_attempt_at: DateTime | None = strawberry.field(
        description="When it is tried, or asked about, again; null when nothing is due."
    )
    transfer_id: str | None = strawberry.field(description="Stripe's id of the transfer, once it is made.")
    estimated_arrival: DateTime | None = strawberry.field(
        description="When the payout that covers it is to arrive at the bank; null while none is known."
    )

    async def blocker(self, info: Info) -> Blocker | None:
        return await resolvers.withdrawals.waiting_for(info.context, self.document)

    @classmethod
    def of(cls, document: withdrawals.Withdrawal) -> "Withdrawal":
        return cls(
            **operation_fields(document),
            owner=Party.of(document.owner),
            amount=Money.of(document.amount, document.currency),
            reversed=Money.of(document.reversed, document.currency),
            status=document.status,
            failure=None if document.failure is None else Failure.of(document.failure),
            attempts=document.attempts_made,
            next_attempt_at=document.next_attempt_at if document.holds_money else None,
            transfer_id=document.transfers[0].id if document.transfers else None,
            estimated_arrival=None if document.payout is None else document.payout.arrives_at,
        )


@strawberry.input(description="A withdrawal to be made.")
class RequestWithdrawalInput:
    amount: MinorUnits = strawberry.field(description="In minor units: 1050 is $10.50.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    currency: CurrencyCode = strawberry.field(default=USD, description="One that the platform takes.")

    def to_command(self) -> RequestWithdrawal:
        return RequestWithdrawal(
            amount=self.amount, currency=self.currency, idempotency_key=self.idempotency_key
        )


@strawberry.type(description="The withdrawal, whose money is reserved, or why there is none.")
class RequestWithdrawalPayload:
    withdrawal: Withdrawal | None = strawberry.field(default=None, description="Null when nothing was made.")
    idempotency: Idempotency | None = strawberry.field(default=None, description="What the key did.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, requested: Requested) -> "RequestWithdrawalPayload":
        document = requested.withdrawal
        return cls(
            withdrawal=Withdrawal.of(document),
            idempotency=Idempotency(replayed=requested.replayed, first_seen_at=document.created_at),
        )


@strawberry.input(description="A withdrawal, and why something is done about it.")
class WithdrawalInput:
    id: strawberry.ID = strawberry.field(description="The withdrawal's id.")
    reason: str | None = strawberry.field(
        default=None, description="At most 500 characters; the withdrawal's history keeps it."
    )


@strawberry.type(description="The withdrawal as it is now, or why nothing was done.")
class WithdrawalPayload:
    withdrawal: Withdrawal | None = strawberry.field(default=None, description="Null when nothing was done.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, document: withdrawals.Withdrawal) -> "WithdrawalPayload":
        return cls(withdrawal=Withdrawal.of(document))


@strawberry.input(description="What an administrator found out about a withdrawal in review.")
class ResolveWithdrawalInput:
    id: strawberry.ID = strawberry.field(description="The withdrawal's id.")
    outcome: WithdrawalOutcome = strawberry.field(description="Whether the transfer was made.")
    reason: str = strawberry.field(description="1 to 500 characters; the withdrawal's history keeps it.")
    transfer_id: str | None = strawberry.field(
        default=None, description="Stripe's id of the transfer. Required for SENT; verified at Stripe."
    )

    def to_command(self) -> ResolveWithdrawal:
        return ResolveWithdrawal(
            withdrawal_id=self.id,
            outcome=self.outcome,
            reason=self.reason,
            transfer_id=self.transfer_id,
        )
