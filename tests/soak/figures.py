"""What the histories did, as one line and as tables."""

import time
from collections import Counter
from collections.abc import Iterator

from rich.table import Table

from domain.kernel.money import CURRENCIES
from tests.invariants.history import Tally


def line(tally: Tally, seed: int, began: float) -> str:
    doing = "a history failed: looking for a shorter one" if tally.failures else "telling"
    return (
        f"{doing} · seed {seed} · {tally.histories} histories · {tally.rules.total()} steps · "
        f"{tally.deposits.total()} deposits · {tally.escrows.total()} escrows · "
        f"{tally.withdrawals.total()} withdrawals · {tally.refunds.total()} refunds · "
        f"{tally.disputes.total()} disputes · "
        f"{tally.faults.total()} faults · {time.monotonic() - began:.0f} s in this batch"
    )


def tables(tally: Tally) -> Iterator[Table]:
    yield _counted("What was done", tally.rules)
    yield _counted("What the API answered", tally.answers)
    yield _counted("What was broken", tally.faults)
    yield _counted("Deposits by their last state", tally.deposits)
    yield _counted("Escrows by their last state", tally.escrows)
    yield _counted("Withdrawals by their last state", tally.withdrawals)
    yield _counted("Refunds by their last state", tally.refunds)
    yield _counted("Disputes by their last state", tally.disputes)
    yield _counted("Adjustments by their last state", tally.adjustments)
    yield _counted("Connect accounts by their last state", tally.accounts)
    yield _money(tally)
    yield _counted("Deliveries of events", tally.events)
    yield _counted(f"What was held against Stripe, over {tally.histories} histories", tally.checks)


def _counted(title: str, counts: Counter[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("times", justify="right")
    for name, count in sorted(counts.items()):
        table.add_row(name, f"{count:,}")
    return table


def _money(tally: Tally) -> Table:
    table = Table("", title="Money, as Stripe has it", title_justify="left")
    for column in ("received", "sent back", "paid out", "taken back"):
        table.add_column(column, justify="right")
    for currency in sorted({*tally.received, *tally.sent}):
        digits = CURRENCIES[currency].exponent
        moved = (tally.received, tally.returned, tally.sent, tally.reversed)
        amounts = (counter[currency] for counter in moved)
        # For the eye alone: nothing is computed with it.
        table.add_row(currency, *(f"{amount / 10**digits:,.{digits}f}" for amount in amounts))
    return table
