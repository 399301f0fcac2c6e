"""Disputes, as clients see them."""

import strawberry

import resolvers.disputes
from domain import disputes
from domain.disputes import DisputeStatus, WriteOffDispute
from domain.kernel.operations import Blocker
from schema.deposits import Deposit
from schema.shared import DateTime, Info, MinorUnits, Money, Node, Operation, UserError, operation_fields

strawberry.enum(
    DisputeStatus,
    description="Where a dispute stands, in Stripe's words. WARNING_...: an inquiry, which moves no money. "
    "WARNING_CLOSED, WON, LOST and PREVENTED are settled. More may be added.",
)


@strawberry.type(
    description="A payer's bank asks about a deposit's payment, or takes it back. While it is open, nothing "
    "leaves the wallet, and nothing of the deposit is refunded."
)
class Dispute(Node, Operation):
    document: strawberry.Private[disputes.Dispute]
    amount: Money = strawberry.field(description="What is disputed. What moved may be another amount.")
    withdrawn: Money = strawberry.field(description="What the bank has taken out of the wallet so far.")
    reinstated: Money = strawberry.field(description="What it has given back so far.")
    written_off: Money = strawberry.field(
        description="What of the wallet's debt the platform has taken upon itself."
    )
    status: DisputeStatus = strawberry.field(description="Where it stands.")
    reason: str = strawberry.field(description="Why, in Stripe's words: fraudulent, product_not_received...")

    @strawberry.field(description="The deposit whose payment is disputed.")
    async def deposit(self, info: Info) -> Deposit:
        return Deposit.of(await resolvers.disputes.deposit_of(info.context, self.document))

    @strawberry.field(
        description="ADMIN. Until when the bank takes evidence; null to everybody else, and where there is "
        "no such date."
    )
    def evidence_due_by(self, info: Info) -> DateTime | None:
        return resolvers.disputes.evidence_due_by(info.context, self.document)

    async def blocker(self, info: Info) -> Blocker | None:
        return resolvers.disputes.waiting_for(info.context, self.document)

    @classmethod
    def of(cls, document: disputes.Dispute) -> "Dispute":
        return cls(
            **operation_fields(document),
            amount=Money.of(document.amount, document.currency),
            withdrawn=Money.of(document.withdrawn, document.currency),
            reinstated=Money.of(document.reinstated, document.currency),
            written_off=Money.of(document.written_off, document.currency),
            status=document.status,
            reason=document.reason,
        )


@strawberry.input(description="A debt that the platform takes upon itself.")
class WriteOffDisputeInput:
    id: strawberry.ID = strawberry.field(description="The dispute's id.")
    reason: str = strawberry.field(description="1 to 500 characters; the audit log keeps it.")
    amount: MinorUnits | None = strawberry.field(
        default=None, description="At most what the wallet owes for this dispute; all of it when absent."
    )

    def to_command(self) -> WriteOffDispute:
        return WriteOffDispute(dispute_id=self.id, reason=self.reason, amount=self.amount)


@strawberry.type(description="The dispute as it is now, or why nothing was written off.")
class DisputePayload:
    dispute: Dispute | None = strawberry.field(default=None, description="Null when nothing was done.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, document: disputes.Dispute) -> "DisputePayload":
        return cls(dispute=Dispute.of(document))
