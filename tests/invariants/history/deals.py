"""An escrow as its parties know it: what they were answered, and what must have become of the money then.

Nothing here is the product's: its formulas are written down once more, of the whole and not step by step.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.invariants.history.world import Contractor, Payer

WHOLE_BPS = 10_000
# As the house is set up.
PLATFORM_FEE_BPS = 500
SERVICE_FEE_BPS = 2_000
# Nobody sits and looks for an hour.
EXPIRY_MINUTES_MIN = 7 * 24 * 60 - 60
RELEASE, REFUND = "release", "refund"


@dataclass(eq=False)
class Order:
    """A word that moves money out of a deal, under one key: `amount` of the price, None for the whole rest.

    `with_rest`: and the rest goes back, as an administrator decides in a dispute. `done`: it was answered so.
    """

    kind: str
    amount: int | None
    key: str
    by: str
    with_rest: bool = False
    done: bool = False


@dataclass(frozen=True)
class Shares:
    """Where the money of a deal must be: `locked` in its account, `paid` and `back` with its parties."""

    charged: int
    paid: int
    back: int
    locked: int

    @property
    def fees(self) -> int:
        return self.charged - self.paid - self.back - self.locked


@dataclass(eq=False)
class Deal:
    """One intention to hire somebody, under one key; `id` once it is known.

    `minutes`: how old it is. `ended`: how it was over before anybody accepted it. `disputed`: somebody did.
    `firsts`: how often it was answered as new.
    """

    customer: "Payer"
    contractor: "Contractor"
    key: str
    price: int
    currency: str
    id: str | None = None
    firsts: int = 0
    minutes: float = 0
    accepted: bool = False
    disputed: bool = False
    ended: str | None = None
    orders: list[Order] = field(default_factory=list)

    def progress(self) -> tuple[int, int]:
        """How much of the price was released, and how much refunded."""
        moved = {RELEASE: 0, REFUND: 0}
        last = REFUND if self.ended else None
        for order in self.orders:
            if order.done:
                moved[order.kind] += order.amount or 0
                last = REFUND if order.with_rest else order.kind if order.amount is None else last
        if last is not None:
            moved[last] += self.price - sum(moved.values())
        return moved[RELEASE], moved[REFUND]

    @property
    def expiring(self) -> bool:
        """Whether its time may be over, as far as one can tell who does not ask."""
        return self.minutes > EXPIRY_MINUTES_MIN

    @property
    def rest(self) -> int:
        return self.price - sum(self.progress())

    def shares(self) -> Shares:
        """By what was released and refunded of the whole, in whatever steps that was."""
        released, refunded = self.progress()
        fee = self.price * PLATFORM_FEE_BPS // WHOLE_BPS
        payout = self.price * (WHOLE_BPS - SERVICE_FEE_BPS) // WHOLE_BPS
        charged = self.price + fee
        paid = payout * released // self.price
        back = refunded + fee * refunded // self.price
        rest = self.price - released - refunded
        taken = fee * released // self.price + fee * refunded // self.price
        return Shares(charged, paid, back, locked=rest + fee - taken if rest else 0)

    def states(self) -> set[str]:
        """Those that it can be in now. After a dispute, who spoke last is not always known."""
        if not self.accepted:
            return {self.ended} if self.ended else {"FUNDED", "EXPIRED"} if self.expiring else {"FUNDED"}
        released, refunded = self.progress()
        if not self.rest:
            return {"SPLIT" if released and refunded else "RELEASED" if released else "REFUNDED"}
        going_on = "PARTIALLY_RELEASED" if released else "ACCEPTED"
        if not self.disputed:
            return {going_on}
        decided = any(order.done and order.by == "admin" and order.kind == RELEASE for order in self.orders)
        return {"DISPUTED", going_on} if decided else {"DISPUTED"}

    def allows(self, order: Order, *, frozen: bool | None) -> bool | None:
        """Whether it must be done; None where nobody can tell. `frozen`: whether the customer's wallet is."""
        within = order.amount is None or order.amount <= self.rest
        states = self.states()
        if not self.accepted:
            whole = order.amount in {None, self.price}
            may = order.by == "admin" and order.kind == REFUND and whole and not order.with_rest
            return None if len(states) > 1 else may and states == {"FUNDED"}
        if not self.rest:
            return False
        if order.with_rest:
            return None if len(states) > 1 else within and states == {"DISPUTED"}
        if order.kind == RELEASE and order.by == "customer":
            if frozen or not within or states == {"DISPUTED"}:
                return False
            return None if frozen is None or len(states) > 1 else True
        return within
