"""The proof of the whole books: the ledger's own invariants, and each noun's."""

from domain import adjustments, deposits, disputes, escrow, ledger, refunds, treasury, withdrawals
from domain.ledger import Progress, Report
from domain.runtime import Runtime


async def verify_books(
    runtime: Runtime, progress: Progress | None = None, *, asking_stripe: bool = True
) -> Report:
    """Invariants 1 to 7, 8 (which asks Stripe), 9 and 10 on live data, beside traffic."""
    report = await ledger.verify(
        runtime.database,
        now=runtime.now(),
        signer=runtime.signer,
        operation_checks=[
            adjustments.audit.check,
            deposits.audit.check,
            escrow.audit.check,
            withdrawals.audit.check,
            disputes.audit.check,
            refunds.audit.check,
            treasury.audit.check,
        ],
        accounts=[escrow.accounts],
        holds=[withdrawals.audit.holds, refunds.audit.holds],
        progress=progress or (lambda _what, _done, _total: None),
    )
    if asking_stripe:
        await treasury.prove_balance(runtime, report)
    return report
