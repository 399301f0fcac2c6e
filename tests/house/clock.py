"""The product's clock in tests: real, and ahead of real time by what a test asks for."""

from datetime import datetime, timedelta

from domain.kernel.clock import utc_now


class TestClock:
    __test__ = False  # its name is not a test's

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead

    def advance(self, **duration: float) -> None:
        """`advance(hours=2)`, in timedelta's words."""
        self.ahead += timedelta(**duration)
