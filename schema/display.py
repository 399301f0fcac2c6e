"""Amounts as a person reads them."""

from copy import copy
from decimal import Decimal

from babel import Locale
from babel.numbers import NumberPattern, format_currency, get_minus_sign_symbol

from domain.kernel.money import counted


def displayed(amount: int, currency: str, *, locale: str) -> str:
    """`amount` minor units as `locale` writes money, in Latin digits, to the last minor unit."""
    exponent = counted(currency).exponent
    language = Locale.parse(locale)
    return format_currency(
        Decimal(amount).scaleb(-exponent),
        currency,
        format=_pattern(language, exponent),
        locale=language,
        currency_digits=False,
    )


def _pattern(language: Locale, decimals: int) -> NumberPattern:
    """The language's own, with two things that Babel's formatting leaves out.

    It shows the decimals that are in daily use, and would round 10.50 AFN; amounts have those of ISO 4217.
    And it writes every minus as a hyphen, which jumps behind its number where one reads from right to left.
    """
    pattern: NumberPattern = copy(language.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    minus = get_minus_sign_symbol(language)
    pattern.prefix = (pattern.prefix[0], pattern.prefix[1].replace("-", minus))
    pattern.suffix = (pattern.suffix[0], pattern.suffix[1].replace("-", minus))
    return pattern
