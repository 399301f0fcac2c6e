"""Stripe counts some currencies in other units than ISO 4217 does; here is the one place that converts."""

from fractions import Fraction

from domain.kernel.money import Currency, Money, counted


class Inexpressible(ValueError):
    """Stripe has no integer for this amount: it charges in steps of `step` of our minor units."""

    def __init__(self, currency: Currency) -> None:
        self.step = step(currency)
        super().__init__(f"{currency.code} is charged in steps of {self.step} minor units.")


def to_stripe(money: Money) -> int:
    """Stripe's integer for `money`. Raises Inexpressible."""
    currency = counted(money.currency)
    amount = money.amount / _ours_in_one_of_stripes(currency)
    if amount.denominator != 1 or amount.numerator % currency.stripe_step:
        raise Inexpressible(currency)
    return amount.numerator


def from_stripe(amount: int, currency_code: str) -> Money:
    """Our minor units for Stripe's integer. Raises ValueError for a fraction of a minor unit."""
    currency = counted(currency_code.upper())
    ours = amount * _ours_in_one_of_stripes(currency)
    if ours.denominator != 1:
        raise ValueError(f"{amount} is not a whole number of {currency.code} minor units")
    return Money(ours.numerator, currency.code)


def step(currency: Currency) -> int:
    """The fewest of our minor units that Stripe can charge more, or less."""
    return (_ours_in_one_of_stripes(currency) * currency.stripe_step).numerator


def payable_step(currency: Currency) -> int:
    """The fewest of our minor units that Stripe can pay to a bank more, or less."""
    coarse = max(currency.stripe_step, currency.payout_step)
    return (_ours_in_one_of_stripes(currency) * coarse).numerator


def chargeable(currency: Currency) -> tuple[int, int]:
    """The least and the most that Stripe charges, in our minor units."""
    least = currency.charge_min * _ours_in_one_of_stripes(currency)
    most = currency.charge_max * _ours_in_one_of_stripes(currency)
    coarse = step(currency)
    return -(-least // coarse) * coarse, most // coarse * coarse


def _ours_in_one_of_stripes(currency: Currency) -> Fraction:
    return Fraction(10**currency.exponent, 10**currency.stripe_exponent)
