"""The money trail, as clients see it."""

from typing import Final

import strawberry

import resolvers.trail
from domain import trail
from domain.ledger import EntryRecord
from domain.trail import Place, StepKind
from schema.operations import shown
from schema.shared import DateTime, Info, Money, Operation, Party

strawberry.enum(
    StepKind,
    name="TrailStepKind",
    description="What a step on the way of money is: as a statement says it, and what shows on none: a "
    "deposit was asked for, a card was charged, money came that nobody had agreed upon, Stripe's and the "
    "platform's fees, a payout from a contractor's Stripe account to the bank, a payout or a top-up of the "
    "platform's own. More may be added.",
)
strawberry.enum(
    Place,
    name="TrailPlace",
    description="Where money is. AVAILABLE, HELD: in a wallet. ESCROW: locked for a job. SENT: at a "
    "contractor's Stripe account or on its way to the bank. PAID_OUT: at the bank. REFUNDED, DISPUTED: back "
    "at the card. REVIEW: received, but not agreed. PLATFORM: the platform's, as a fee. OTHER_PARTY: in the "
    "wallet of the other side of a deal, where the viewer sees no further. EVENED_OUT: it came back to what "
    "it was taken for. NOT_FOLLOWED: beyond the limits. More may be added.",
)

_DESCRIPTIONS: Final = {
    StepKind.DEPOSIT_REQUESTED: "Deposit asked for",
    StepKind.CARD_CHARGED: "Card charged",
    StepKind.UNEXPLAINED: "Received, but not as agreed",
    StepKind.DEPOSIT: "Credited to the wallet",
    StepKind.BANK: "Between the platform's own bank and Stripe",
    StepKind.STRIPE_FEE: "Stripe's fee, which the platform bears",
    StepKind.ESCROW_FUNDED: "Locked for the job",
    StepKind.ESCROW_RELEASED: "Released to the contractor",
    StepKind.ESCROW_REFUNDED: "Given back to the customer",
    StepKind.PLATFORM_FEE: "Kept by the platform as its fee",
    StepKind.WITHDRAWAL_REQUESTED: "Reserved for a withdrawal",
    StepKind.WITHDRAWAL_SENT: "Sent to the contractor's Stripe account",
    StepKind.WITHDRAWAL_RETURNED: "Not sent: back in the wallet",
    StepKind.WITHDRAWAL_REVERSED: "Reversed: back in the wallet",
    StepKind.PAYOUT: "Payout to the bank",
    StepKind.REFUND_REQUESTED: "Reserved for a refund",
    StepKind.REFUND_SENT: "Refunded to the card",
    StepKind.REFUND_RETURNED: "The refund failed: back again",
    StepKind.DISPUTE_OPENED: "Disputed by the payer's bank",
    StepKind.DISPUTE_WITHDRAWN: "Taken back by the payer's bank",
    StepKind.DISPUTE_REINSTATED: "Given back by the payer's bank",
    StepKind.DISPUTE_WRITTEN_OFF: "Written off: the platform bears it",
    StepKind.ADJUSTMENT: "Adjusted by an administrator",
}


@strawberry.type(description="The journal's entry that books a step.")
class TrailEntry:
    id: strawberry.ID = strawberry.field(description="The entry's id, ent_....")
    ref: str = strawberry.field(description="The step that it records: unique, so nothing is booked twice.")
    hash: str = strawberry.field(description="SHA-256 over all its fields.")


@strawberry.type(description="One step of the way.")
class TrailStep:
    booked: strawberry.Private[EntryRecord | None]
    kind: StepKind = strawberry.field(description="What happened.")
    state: str | None = strawberry.field(
        description="The state in which it left its operation; of a payout, Stripe's own word. Null where "
        "nothing has states."
    )
    at: DateTime = strawberry.field(description="When.")
    amount: Money = strawberry.field(description="Of the whole step.")
    share: Money = strawberry.field(
        description="How much of that is the traced money. Zero for what only belongs to it: a fee that the "
        "platform bears, or what was taken back of a deposit when its money had gone on already."
    )
    party: Party | None = strawberry.field(description="Whose wallet it is about; null for the platform.")
    operation_id: strawberry.ID | None = strawberry.field(description="The operation that it is a step of.")
    stripe_ids: list[str] = strawberry.field(
        description="What it is at Stripe. For admins with the movement of Stripe's balance."
    )
    description: str = strawberry.field(description="A few words to show.")

    @strawberry.field(description="The operation itself, where the viewer is a party to it.")
    async def operation(self, info: Info) -> Operation | None:
        if self.operation_id is None:
            return None
        found = await info.context.find_operation(self.operation_id)
        return None if found is None else shown(found)

    @strawberry.field(
        description="For admins: the entry that books it; null for what moves no money of ours."
    )
    def entry(self, info: Info) -> TrailEntry | None:
        if self.booked is None or not resolvers.trail.sees_books(info.context):
            return None
        return TrailEntry(id=strawberry.ID(self.booked.id), ref=self.booked.ref, hash=self.booked.hash)

    @classmethod
    def of(cls, step: trail.Step) -> "TrailStep":
        return cls(
            booked=step.entry,
            kind=step.kind,
            state=step.state,
            at=step.at,
            amount=Money.of(step.amount.amount, step.amount.currency),
            share=Money.of(step.share.amount, step.share.currency),
            party=None if step.party is None else Party.of(step.party),
            operation_id=None if step.operation is None else strawberry.ID(step.operation),
            stripe_ids=list(step.stripe_ids),
            description=_DESCRIPTIONS[step.kind],
        )


@strawberry.type(description="A part of the traced money, and where it is now.")
class TrailWhereabouts:
    place: Place = strawberry.field(description="Where.")
    amount: Money = strawberry.field(description="How much of it.")
    party: Party | None = strawberry.field(description="Whose it is there; null for the platform's.")
    operation_id: strawberry.ID | None = strawberry.field(
        description="The operation that has it; null for what lies in a wallet."
    )

    @classmethod
    def of(cls, whereabouts: trail.Whereabouts) -> "TrailWhereabouts":
        amount, operation = whereabouts.amount, whereabouts.operation
        return cls(
            place=whereabouts.place,
            amount=Money.of(amount.amount, amount.currency),
            party=None if whereabouts.party is None else Party.of(whereabouts.party),
            operation_id=None if operation is None else strawberry.ID(operation),
        )


@strawberry.type(description="What comes next.")
class TrailExpectation:
    code: str = strawberry.field(
        description="Stable: what an operation waits for, as its waitingFor says; DEBT: a wallet owes; "
        "SETTLEMENT: Stripe's balance is still to show a payment."
    )
    message: str = strawberry.field(description="A sentence for a person.")
    until: DateTime | None = strawberry.field(description="When it comes or ends, where that is known.")
    party: Party | None = strawberry.field(description="Whom it is about; null for the platform.")
    amount: Money | None = strawberry.field(description="How much, where it is not all of an operation.")
    operation_id: strawberry.ID | None = strawberry.field(
        description="The operation that waits, or caused it."
    )

    @classmethod
    def of(cls, expectation: trail.Expectation) -> "TrailExpectation":
        amount, operation = expectation.amount, expectation.operation
        return cls(
            code=expectation.code,
            message=expectation.message,
            until=expectation.until,
            party=None if expectation.party is None else Party.of(expectation.party),
            amount=None if amount is None else Money.of(amount.amount, amount.currency),
            operation_id=None if operation is None else strawberry.ID(operation),
        )


@strawberry.type(
    description="The way of money, from the card that was charged to the bank that was paid. Wallets pool "
    "money: what came in first goes out first."
)
class MoneyTrail:
    amount: Money = strawberry.field(description="The traced money: what the operation brought in or took.")
    complete: bool = strawberry.field(description="False when the way is longer than is followed at once.")
    steps: list[TrailStep] = strawberry.field(description="In the order of their time.")
    now: list[TrailWhereabouts] = strawberry.field(
        description="Where the traced money is: its parts add up to it."
    )
    expected: list[TrailExpectation] = strawberry.field(description="What comes next, and when.")

    @classmethod
    def of(cls, found: trail.Trail) -> "MoneyTrail":
        return cls(
            amount=Money.of(found.amount.amount, found.amount.currency),
            complete=found.is_complete,
            steps=[TrailStep.of(step) for step in found.steps],
            now=[TrailWhereabouts.of(part) for part in found.now],
            expected=[TrailExpectation.of(one) for one in found.expected],
        )
