"""What histories did, counted."""

from collections import Counter


class Tally:
    """Each counter is a column of names: what was done by rule, broken by kind, and so on."""

    def __init__(self) -> None:
        self.histories = 0
        self.failures = 0
        self.rules: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.deposits: Counter[str] = Counter()
        self.escrows: Counter[str] = Counter()
        self.withdrawals: Counter[str] = Counter()
        self.refunds: Counter[str] = Counter()
        self.disputes: Counter[str] = Counter()
        self.adjustments: Counter[str] = Counter()
        self.accounts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.reversed: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.returned: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.checks: Counter[str] = Counter()
