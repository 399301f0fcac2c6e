"""What a person reads: the amount to its last minor unit, in the language that was asked for."""

import pytest
from babel import Locale
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.money import CURRENCIES, MINOR_UNITS_MAX, counted
from schema.display import displayed
from server.language import preferred_locale

# No-break spaces, and the marks that turn the direction of writing.
NB, NARROW, LTR, RTL = "\u00a0", "\u202f", "\u200e", "\u200f"


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        (10_50, "USD", "en_US", "$10.50"),
        (10_50, "USD", "en_GB", "US$10.50"),
        (10_50, "USD", "de_DE", f"10,50{NB}$"),
        (1_234_56, "EUR", "fr", f"1{NARROW}234,56{NB}€"),
        (-10_50, "USD", "en_US", "-$10.50"),
        (-10_50, "USD", "sv", f"−10,50{NB}US$"),
        (-10_50, "USD", "ar", f"{RTL}{LTR}-10.50{NB}US$"),
        (0, "USD", "en_US", "$0.00"),
        (0, "JPY", "ja", "￥0"),
        (10_500, "JPY", "ja", "￥10,500"),
        (10_500, "JPY", "en_US", "¥10,500"),
        (10_500, "ISK", "is", f"10.500{NB}kr."),
        (10_500, "ISK", "en_US", "ISK10,500"),
        (10_500, "UGX", "en_US", "UGX10,500"),
        (10_500, "KWD", "en_US", "KWD10.500"),
        (10_500, "KWD", "de_DE", f"10,500{NB}KWD"),
        (10_500, "KWD", "ar_EG", f"{RTL}10.500{NB}د.ك.{RTL}"),
        (1, "KWD", "en_US", "KWD0.001"),
        (10_45, "HUF", "en_US", "HUF10.45"),
        # Babel would round these to whole units, for nobody pays less any more.
        (10_50, "AFN", "en_US", "AFN10.50"),
        (10_50, "RSD", "de_DE", f"10,50{NB}RSD"),
        (MINOR_UNITS_MAX, "USD", "en_US", "$90,071,992,547,409.91"),
        (-MINOR_UNITS_MAX, "KWD", "en_US", "-KWD9,007,199,254,740.991"),
        (MINOR_UNITS_MAX, "JPY", "en_US", "¥9,007,199,254,740,991"),
        (12_34, "XYZ", "en_US", "XYZ12.34"),
    ],
)
def test_an_amount_as_it_is_written_there(amount: int, currency: str, locale: str, text: str) -> None:
    assert displayed(amount, currency, locale=locale) == text


@given(
    amount=st.integers(-MINOR_UNITS_MAX, MINOR_UNITS_MAX),
    currency=st.sampled_from([*CURRENCIES, "XYZ"]),
    locale=st.sampled_from([name for name in locale_identifiers() if name != "root"]),
)
def test_no_language_shows_another_amount(amount: int, currency: str, locale: str) -> None:
    text = displayed(amount, currency, locale=locale)
    digits = "".join(letter for letter in text if letter in "0123456789")
    assert digits == str(abs(amount)).rjust(counted(currency).exponent + 1, "0")
    assert (text != displayed(-amount, currency, locale=locale)) is (amount != 0)


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("de-DE", "de_DE"),
        ("de", "de"),
        ("fr", "fr"),
        ("ja", "ja"),
        ("ar", "ar"),
        ("en-GB", "en_GB"),
        ("DE-at", "de_AT"),
        ("de_DE", "de_DE"),
        ("zh-TW", "zh_Hant_TW"),
        ("zh-Hant-HK", "zh_Hant_HK"),
        ("sr-Latn-RS", "sr_Latn_RS"),
        ("iw", "he_IL"),
        ("es-419", "es_419"),
        # Shortened from the end.
        ("de-XX", "de"),
        ("zh-Hant-XX", "zh_Hant"),
        ("hi-IN-u-nu-latn", "hi_IN"),
        ("de-x-private", "de"),
        # Weights.
        ("fr, en;q=0.5", "fr"),
        ("en;q=0.5, fr", "fr"),
        ("en-US;q=0.3,fr ; Q=0.9,de;q=0.899", "fr"),
        ("fr;q=0.5, de;q=0.5", "fr"),
        ("de;q=0, fr;q=0.001", "fr"),
        ("de;q=0", "en_US"),
        ("de;q=0.000", "en_US"),
        ("xx, fr;q=0.5", "fr"),
        # Anything.
        ("*", "en_US"),
        ("", "en_US"),
        ("xx", "en_US"),
        ("*, de;q=0.1", "en_US"),
        ("de, *;q=0.5", "de"),
        ("xx, *;q=0.5, de;q=0.1", "en_US"),
        # Junk.
        (";;,,q=1,;q=", "en_US"),
        ("de;q=1.5", "en_US"),
        ("de;q=-1", "en_US"),
        ("de;q=nan", "en_US"),
        ("de;q=²", "en_US"),
        ("de;q=, fr", "fr"),
        ("root", "en_US"),
        ("../../etc/passwd", "en_US"),
        ("de\x00", "en_US"),
        ("dé", "en_US"),
        ("de_AT@euro", "en_US"),
        ("de" + "-abcdefgh" * 50 + ", fr", "fr"),
    ],
)
def test_the_language_that_was_asked_for(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


def test_a_long_header_is_not_cut_within_a_tag() -> None:
    assert preferred_locale("xx," * 166 + "en-GB") == "en_US"
    assert preferred_locale("xx," * 165 + "en-GB") == "en_GB"
    assert preferred_locale("x" * 100_000) == "en_US"
    assert preferred_locale("de-" * 50_000) == "en_US"


@given(st.text(max_size=600) | st.text("deFRx-_,;=q.019* \t", max_size=600))
def test_whatever_the_header_says_babel_speaks_the_answer(header: str) -> None:
    locale = preferred_locale(header)
    assert str(Locale.parse(locale)) == locale
