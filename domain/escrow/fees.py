"""What every step of an escrow pays to whom, pure: docs/escrow.md has the formulas.

A share is cut of the whole and rounded down, and a step pays the difference between two shares. So whatever
the steps are, they add up at each of them, and the last one leaves nothing behind.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

WHOLE_BPS: Final = 10_000


class MoveKind(StrEnum):
    """Which way a step pays: to the contractor, or back to the customer."""

    RELEASE = "RELEASE"
    REFUND = "REFUND"


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed: `price` (> 0) in minor units, rates from 0 to 10,000 basis points."""

    price: int
    platform_fee_bps: int
    service_fee_bps: int

    @property
    def platform_fee(self) -> int:
        """What the customer pays on top of the price."""
        return self.price * self.platform_fee_bps // WHOLE_BPS

    @property
    def payout(self) -> int:
        """What the contractor gets of the price, once all of it is released."""
        return self.price * (WHOLE_BPS - self.service_fee_bps) // WHOLE_BPS

    @property
    def service_fee(self) -> int:
        return self.price - self.payout

    @property
    def charged(self) -> int:
        return self.price + self.platform_fee

    def share_of_fee(self, part: int) -> int:
        """The platform fee's share of `part` of the price."""
        return self.platform_fee * part // self.price

    def share_of_payout(self, part: int) -> int:
        return self.payout * part // self.price


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the price was released, and how much refunded."""

    released: int = 0
    refunded: int = 0

    @property
    def spent(self) -> int:
        return self.released + self.refunded


@dataclass(frozen=True, slots=True)
class Step:
    """`net` reaches the receiver's wallet, `fees` the platform. `after`: the progress that is made by it."""

    net: int
    fees: int
    after: Progress


def rest(terms: Terms, progress: Progress) -> int:
    """What is left of the price."""
    return terms.price - progress.spent


def locked(terms: Terms, progress: Progress) -> int:
    """What the escrow's account holds: the rest, and the platform fee that no step has taken with it."""
    if rest(terms, progress) == 0:
        return 0  # the last step takes along what rounding left
    taken = terms.share_of_fee(progress.released) + terms.share_of_fee(progress.refunded)
    return rest(terms, progress) + terms.platform_fee - taken


def step(terms: Terms, progress: Progress, kind: MoveKind, amount: int) -> Step:
    """What it pays to release or refund `amount` of the price. Raises ValueError for what is not there."""
    if not 0 < amount <= rest(terms, progress):
        raise ValueError(f"{amount} of {rest(terms, progress)} cannot be moved")
    if kind is MoveKind.RELEASE:
        after = replace(progress, released=progress.released + amount)
        net = terms.share_of_payout(after.released) - terms.share_of_payout(progress.released)
    else:
        after = replace(progress, refunded=progress.refunded + amount)
        fee = terms.share_of_fee(after.refunded) - terms.share_of_fee(progress.refunded)
        net = amount + fee
    leaving = locked(terms, progress) - locked(terms, after)
    return Step(net=net, fees=leaving - net, after=after)
