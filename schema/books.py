"""The books: what a line is about, what freezes a wallet, and the proof of it all, as admins see it."""

import strawberry

import resolvers.wallets
from domain import ledger
from domain.ledger import FreezeCause, Kind
from schema.shared import DateTime, Info

strawberry.enum(
    Kind, name="TransactionKind", description="What a statement line is about. More may be added."
)

strawberry.enum(
    FreezeCause,
    description="Why nothing may leave a wallet: an administrator's word, an open dispute, a debt. More may "
    "be added.",
)


@strawberry.type(description="Why nothing may leave a wallet. Each cause ends by itself.")
class WalletFreeze:
    document: strawberry.Private[ledger.FreezeRecord]
    cause: FreezeCause = strawberry.field(description="What kind of reason it is.")
    operation_id: strawberry.ID | None = strawberry.field(description="The operation that it is about.")
    reason: str = strawberry.field(description="In words.")
    at: DateTime = strawberry.field(description="Since when.")

    @strawberry.field(description="For admins: whose doing it is, a person's or an operation's id.")
    def by(self, info: Info) -> strawberry.ID | None:
        who = resolvers.wallets.frozen_by(info.context, self.document)
        return None if who is None else strawberry.ID(who)

    @classmethod
    def of(cls, document: ledger.FreezeRecord) -> "WalletFreeze":
        return cls(
            document=document,
            cause=document.cause,
            operation_id=None if document.operation is None else strawberry.ID(document.operation),
            reason=document.reason,
            at=document.at,
        )


@strawberry.type(description="An invariant of the ledger that does not hold.")
class LedgerViolation:
    invariant: str = strawberry.field(description="Its number and name.")
    subject: str = strawberry.field(description="The id that is wrong.")
    expected: str = strawberry.field(description="What it should be.")
    actual: str = strawberry.field(description="What it is.")


@strawberry.type(description="Whether the books are sound: every invariant, over everything that is stored.")
class LedgerReport:
    checked_at: DateTime = strawberry.field(description="When the check began.")
    wallets: int = strawberry.field(description="How many wallets were checked.")
    entries: int = strawberry.field(description="How many journal entries were checked.")
    ok: bool = strawberry.field(description="True when there is no violation.")
    violations: list[LedgerViolation] = strawberry.field(description="What does not hold.")
    unchecked: list[str] = strawberry.field(
        description="Invariants that could not be looked at now, and why: nothing is known of them."
    )

    @classmethod
    def of(cls, report: ledger.Report) -> "LedgerReport":
        return cls(
            checked_at=report.checked_at,
            wallets=report.wallets,
            entries=report.entries,
            ok=report.ok,
            unchecked=report.unchecked,
            violations=[
                LedgerViolation(
                    invariant=violation.invariant,
                    subject=violation.subject,
                    expected=violation.expected,
                    actual=violation.actual,
                )
                for violation in report.violations
            ],
        )
