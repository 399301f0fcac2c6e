"""Money: an integer count of a currency's minor unit, and the currencies that we know."""

from dataclasses import dataclass
from typing import Final

# Every amount must survive a JSON number in every client, and MongoDB's 64-bit integers.
MINOR_UNITS_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Currency:
    """One row of the table below.

    `exponent`: decimal places of ISO 4217. `stripe_exponent`: the places that Stripe counts in.
    `stripe_step`: Stripe takes only multiples of this many of its own units.
    """

    code: str
    exponent: int = 2
    stripe_exponent: int = 2
    stripe_step: int = 1


# Stripe counts ISK and UGX in hundredths that must be whole, and wants a zero as the last of three decimals.
CURRENCIES: Final = {
    currency.code: currency
    for currency in (
        *(Currency(code) for code in ("USD", "EUR", "GBP", "AUD", "CAD", "CHF", "DKK", "NOK", "NZD", "SEK")),
        *(Currency(code, exponent=0, stripe_exponent=0) for code in ("JPY", "KRW")),
        *(Currency(code, exponent=0, stripe_exponent=2, stripe_step=100) for code in ("ISK", "UGX")),
        *(Currency(code, exponent=3, stripe_exponent=3, stripe_step=10) for code in ("BHD", "KWD", "OMR")),
    )
}


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` minor units of `currency` (an upper-case ISO 4217 code); may be negative."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"money is counted in whole minor units, not in {type(self.amount).__name__}")
        if abs(self.amount) > MINOR_UNITS_MAX:
            raise OverflowError("an amount must lie within ±(2^53 - 1)")
