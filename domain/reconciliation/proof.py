"""The proof of the whole books: the ledger's own invariants, and each noun's."""

from domain import deposits, ledger
from domain.ledger import Progress, Report
from domain.runtime import Runtime


async def verify_books(runtime: Runtime, progress: Progress | None = None) -> Report:
    """Invariants 1 to 6, 9 and 10 on live data, beside traffic."""
    return await ledger.verify(
        runtime.database,
        now=runtime.now(),
        signer=runtime.signer,
        operation_checks=[deposits.audit.check],
        progress=progress or (lambda _what, _done, _total: None),
    )
