"""What a verb needs of the world. A function that takes it may open transactions and ask Stripe."""

from dataclasses import dataclass, field
from datetime import timedelta

from domain.gateway import StripeGateway
from domain.gateway.amounts import chargeable, payable_step
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock
from domain.kernel.database import Database
from domain.kernel.doorbell import Doorbell
from domain.kernel.money import CURRENCIES, Currency, Limit
from domain.kernel.signer import Signer


@dataclass(frozen=True)
class Policy:
    """The house's rules, as configured. Amounts are minor units, rates basis points."""

    currencies: tuple[str, ...] = ("USD",)
    deposit_min: Limit = field(default_factory=lambda: Limit(100))
    deposit_max: Limit = field(default_factory=lambda: Limit(1_000_000))
    deposit_expiry: timedelta = timedelta(hours=24)
    withdrawal_min: Limit = field(default_factory=lambda: Limit(1000))
    withdrawal_max: Limit = field(default_factory=lambda: Limit(1_000_000))
    withdrawal_approval_above: Limit = field(default_factory=lambda: Limit(100_000))
    adjustment_two_admins_above: Limit = field(default_factory=lambda: Limit(10_000))
    retry_delays: tuple[timedelta, ...] = field(
        default_factory=lambda: tuple(timedelta(seconds=seconds) for seconds in (300, 1800, 7200))
    )
    owner_refund_window: timedelta = timedelta(0)
    funds_recheck: timedelta = timedelta(hours=1)
    connect_countries: tuple[str, ...] = ("US",)
    connect_capabilities: tuple[str, ...] = ("transfers",)
    platform_fee_bps: int = 500
    service_fee_bps: int = 2_000
    escrow_min: Limit = field(default_factory=lambda: Limit(100))
    escrow_expiry: timedelta = timedelta(days=7)
    lease: timedelta = timedelta(seconds=15)
    lookup_wait: timedelta = timedelta(seconds=60)
    recheck: timedelta = timedelta(seconds=60)
    recheck_max: timedelta = timedelta(hours=1)
    backfill_interval: timedelta = timedelta(seconds=600)
    webhook_retry_delays: tuple[timedelta, ...] = field(
        default_factory=lambda: tuple(
            timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 21600)
        )
    )

    def currency(self, code: str) -> Currency | None:
        """The currency's row, or None when the platform does not take it."""
        return CURRENCIES[code] if code in self.currencies else None

    def deposit_bounds(self, code: str) -> tuple[int, int]:
        """The least and the most that a deposit may be: the house's limits, within what Stripe charges."""
        least, most = chargeable(CURRENCIES[code])
        return max(least, self.deposit_min.of(code)), min(most, self.deposit_max.of(code))

    def withdrawal_bounds(self, code: str) -> tuple[int, int]:
        """The least and the most that a withdrawal may be: the house's limits, in what banks are paid."""
        coarse = payable_step(CURRENCIES[code])
        least, most = self.withdrawal_min.of(code), self.withdrawal_max.of(code)
        return -(-least // coarse) * coarse, most // coarse * coarse


@dataclass(frozen=True)
class Runtime:
    """`now` is the clock for decisions outside transactions; inside, a Tx carries its own instant."""

    database: Database
    gateway: StripeGateway
    doorbell: Doorbell
    cipher: Cipher
    signer: Signer
    now: Clock
    policy: Policy = Policy()
