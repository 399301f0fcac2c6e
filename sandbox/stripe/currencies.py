"""Which currencies there are, and the least that a card can be charged.

From Stripe's page on currencies. Only those named here can be used; each settles in itself.
"""

from .errors import StripeError, invalid

AMOUNT_MAX = 99_999_999
"""In minor units: eight digits."""

_CHARGE_MIN = {
    "usd": 50,
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
}
_NO_MINOR_UNIT = {"jpy"}


def check_currency(currency: str) -> str:
    """In lower case. Raises StripeError for one that is unknown."""
    lower = currency.lower()
    if lower not in _CHARGE_MIN:
        names = ", ".join(_CHARGE_MIN)
        raise invalid(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {names}",
            param="currency",
        )
    return lower


def check_amount(amount: int, currency: str) -> int:
    """An amount that a card can be charged. Raises StripeError."""
    if amount < 1:
        raise StripeError(
            400,
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount < _CHARGE_MIN[currency]:
        least = displayed(_CHARGE_MIN[currency], currency)
        raise invalid(f"Amount must be at least {least}", param="amount", code="amount_too_small")
    if amount > AMOUNT_MAX:
        most = displayed(AMOUNT_MAX, currency)
        raise invalid(f"Amount must be no more than {most}", param="amount", code="amount_too_large")
    return amount


def displayed(amount: int, currency: str) -> str:
    """For people: `12.50 USD`."""
    if currency in _NO_MINOR_UNIT:
        return f"{amount:,} {currency.upper()}"
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100:,}.{abs(amount) % 100:02d} {currency.upper()}"
