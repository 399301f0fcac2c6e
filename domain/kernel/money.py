"""Money: an integer count of a currency's minor unit, and the currencies that we know."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Every amount must survive a JSON number in every client, and MongoDB's 64-bit integers.
MINOR_UNITS_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Currency:
    """One row of the table below.

    `exponent`: decimal places of ISO 4217. `stripe_exponent`: the places that Stripe counts in. The rest is
    in its units. `stripe_step`, `payout_step`: Stripe charges, and pays out, multiples of this many only.
    `charge_min`, `charge_max`: what Stripe charges at least, where it says so, and at most.
    """

    code: str
    exponent: int = 2
    stripe_exponent: int = 2
    stripe_step: int = 1
    payout_step: int = 1
    charge_min: int = 1
    charge_max: int = 99_999_999


# From Stripe's page "Supported currencies".
_HUNDREDTHS: Final = """
    USD AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF
    CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG IDR ILS
    INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD
    SZL THB TJS TOP TRY TTD TZS UAH UYU UZS WST XCD YER ZAR ZMW
"""
_WHOLE: Final = "BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF"
# The last of three digits must be a zero.
_THOUSANDTHS: Final = "BHD JOD KWD OMR TND"
# They have lost their hundredths; Stripe goes on counting them, and wants zeros.
_HUNDREDTHS_BY_HABIT: Final = "ISK UGX"
# Charged in hundredths, paid out whole.
_PAID_OUT_WHOLE: Final = "HUF TWD"

# In Stripe's units. The rest must be worth the minimum of the currency that the platform settles in.
_FIFTY_AT_LEAST: Final = "USD ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD ZAR"
_CHARGE_MIN: Final = dict.fromkeys(_FIFTY_AT_LEAST.split(), 50) | {
    "GBP": 30,
    "BGN": 100,
    "AED": 200,
    "MYR": 200,
    "PLN": 200,
    "RON": 200,
    "DKK": 250,
    "NOK": 300,
    "SEK": 300,
    "HKD": 400,
    "MXN": 1000,
    "THB": 1000,
    "CZK": 1500,
    "HUF": 17_500,
}
# Cards alone may go to twelve digits; these are the bounds for whatever way of paying Stripe offers.
_CHARGE_MAX: Final = {"INR": 999_999_999, "COP": 9_999_999_999, "IDR": 999_999_999_999}


def _row(
    code: str, exponent: int, stripe_exponent: int, stripe_step: int = 1, payout_step: int = 1
) -> Currency:
    return Currency(
        code,
        exponent=exponent,
        stripe_exponent=stripe_exponent,
        stripe_step=stripe_step,
        payout_step=payout_step,
        charge_min=_CHARGE_MIN.get(code, stripe_step),
        charge_max=_CHARGE_MAX.get(code, 99_999_999),
    )


CURRENCIES: Final[Mapping[str, Currency]] = {
    currency.code: currency
    for currency in (
        *(_row(code, 2, 2) for code in _HUNDREDTHS.split()),
        *(_row(code, 0, 0) for code in _WHOLE.split()),
        *(_row(code, 3, 3, stripe_step=10, payout_step=10) for code in _THOUSANDTHS.split()),
        *(_row(code, 0, 2, stripe_step=100, payout_step=100) for code in _HUNDREDTHS_BY_HABIT.split()),
        *(_row(code, 2, 2, payout_step=100) for code in _PAID_OUT_WHOLE.split()),
        # A fifth of an ariary is a hundredth to ISO 4217 and nothing to Stripe.
        _row("MGA", 2, 0),
    )
}


def counted(code: str) -> Currency:
    """The currency's row. One that we do not know comes only by a mistake at Stripe: hundredths, as there."""
    return CURRENCIES.get(code) or Currency(code)


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


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound in minor units: `usual`, but for the currencies that have their own."""

    usual: int
    by_currency: Mapping[str, int] = field(default_factory=dict)

    def of(self, code: str) -> int:
        return self.by_currency.get(code, self.usual)

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """`100` or `100,JPY:50,KWD:300`. Raises ValueError that says what is wrong with it."""
        usual, *exceptions = (part.strip() for part in text.split(","))
        by_currency: dict[str, int] = {}
        for exception in exceptions:
            code, _, amount = exception.partition(":")
            if code not in CURRENCIES:
                raise ValueError(f"{code!r} is no currency that is known; write e.g. 100,JPY:50,KWD:300")
            if code in by_currency:
                raise ValueError(f"{code} is named twice")
            by_currency[code] = _minor_units(amount)
        return cls(_minor_units(usual), by_currency)


def _minor_units(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,15}", text) or int(text) > MINOR_UNITS_MAX:
        raise ValueError(f"{text!r} is no count of minor units; write e.g. 100,JPY:50,KWD:300")
    return int(text)
