"""The proof of the books, as admins see it."""

import strawberry

from domain import ledger
from schema.shared import DateTime


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
