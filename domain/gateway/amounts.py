"""Stripe counts some currencies in other units than ISO 4217 does; here is the one place that converts."""

from domain.kernel.money import CURRENCIES, Currency, Money


def to_stripe(money: Money) -> int:
    """Stripe's integer for `money`. Raises ValueError when Stripe cannot express it (its step)."""
    currency = CURRENCIES[money.currency]
    scale: int = 10 ** (currency.stripe_exponent - currency.exponent)
    amount = money.amount * scale
    if amount % currency.stripe_step:
        raise ValueError(f"Stripe takes {currency.code} only in steps of {currency.stripe_step}")
    return amount


def from_stripe(amount: int, currency_code: str) -> Money:
    """Our minor units for Stripe's integer. Raises ValueError for a fraction of a minor unit."""
    code = currency_code.upper()
    # A currency that we do not know comes only by a mistake at Stripe; it is booked as Stripe counts it.
    currency = CURRENCIES.get(code, Currency(code))
    scale: int = 10 ** (currency.stripe_exponent - currency.exponent)
    whole, rest = divmod(amount, scale)
    if rest:
        raise ValueError(f"{amount} is not a whole number of {code} minor units")
    return Money(whole, code)
