"""Money, the table of currencies, and how Stripe counts each of them."""

from dataclasses import replace
from typing import Any

import pytest
from babel.numbers import get_currency_name, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from domain.gateway.amounts import Inexpressible, chargeable, from_stripe, step, to_stripe
from domain.kernel.money import CURRENCIES, MINOR_UNITS_MAX, Limit, Money
from domain.runtime import Policy
from sandbox.stripe import currencies as stripes
from sandbox.stripe.errors import StripeError

codes = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.parametrize("amount", [1.0, 0.5, float("nan"), True, False, "1", None])
def test_money_is_counted_in_whole_minor_units(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money(amount, "USD")


@pytest.mark.parametrize("sign", [1, -1])
def test_money_lies_within_what_a_json_number_holds(sign: int) -> None:
    assert Money(sign * MINOR_UNITS_MAX, "USD").amount == sign * (2**53 - 1)
    with pytest.raises(OverflowError):
        Money(sign * (MINOR_UNITS_MAX + 1), "USD")


# The table. Babel has the decimals in daily use (CLDR), which for these are fewer than those of ISO 4217.

IN_DAILY_USE_WITHOUT_DECIMALS = {"AFN", "ALL", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "STD", "YER"}


@pytest.mark.parametrize("code", CURRENCIES)
def test_the_exponent_is_that_of_iso_4217(code: str) -> None:
    assert get_currency_name(code, locale="en") != code
    in_daily_use = get_currency_precision(code)
    if code in IN_DAILY_USE_WITHOUT_DECIMALS:
        assert (CURRENCIES[code].exponent, in_daily_use) == (2, 0)
    else:
        assert CURRENCIES[code].exponent == in_daily_use


# One unit (a dollar, a yen) as ISO 4217 and as Stripe count it; our step; and Stripe's step of a payout.
WHOLE = "BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF"
THOUSANDTHS = "BHD JOD KWD OMR TND"
ONE_UNIT = {
    "USD": (100, 100, 1, 1),
    "EUR": (100, 100, 1, 1),
    "AFN": (100, 100, 1, 1),
    "HUF": (100, 100, 1, 100),
    "TWD": (100, 100, 1, 100),
    **dict.fromkeys(WHOLE.split(), (1, 1, 1, 1)),
    "ISK": (1, 100, 1, 100),
    "UGX": (1, 100, 1, 100),
    "MGA": (100, 1, 100, 1),
    **dict.fromkeys(THOUSANDTHS.split(), (1000, 1000, 10, 10)),
}


@pytest.mark.parametrize("code", ONE_UNIT)
def test_one_unit_of_a_currency_is_what_stripe_calls_one(code: str) -> None:
    ours, theirs, our_step, payout_step = ONE_UNIT[code]
    assert to_stripe(Money(ours, code)) == theirs
    assert from_stripe(theirs, code.lower()) == Money(ours, code)
    assert (step(CURRENCIES[code]), CURRENCIES[code].payout_step) == (our_step, payout_step)


def test_every_other_currency_is_counted_in_hundredths_by_everybody() -> None:
    for code in CURRENCIES.keys() - ONE_UNIT.keys():
        currency = CURRENCIES[code]
        plain = (currency.exponent, currency.stripe_exponent, currency.stripe_step, currency.payout_step)
        assert plain == (2, 2, 1, 1), code


@given(code=codes, count=st.integers(-(10**9), 10**9))
def test_whatever_stripe_can_express_comes_back_as_it_went(code: str, count: int) -> None:
    currency = CURRENCIES[code]
    money = Money(count * step(currency), code)
    assert to_stripe(money) % currency.stripe_step == 0
    assert from_stripe(to_stripe(money), code) == money


@given(code=codes, amount=st.integers(-(10**9), 10**9))
def test_an_amount_is_converted_exactly_or_refused(code: str, amount: int) -> None:
    currency = CURRENCIES[code]
    if amount % step(currency):
        with pytest.raises(Inexpressible) as refused:
            to_stripe(Money(amount, code))
        assert refused.value.step == step(currency)
    else:
        ours, theirs = 10**currency.exponent, 10**currency.stripe_exponent
        assert to_stripe(Money(amount, code)) * ours == amount * theirs


@given(code=codes, count=st.integers(-(10**9), 10**9))
def test_whatever_stripe_charges_can_be_booked(code: str, count: int) -> None:
    theirs = count * CURRENCIES[code].stripe_step
    assert to_stripe(from_stripe(theirs, code)) == theirs


@pytest.mark.parametrize("amount", [1, 9, 1001, 1999, -1])
def test_a_refusal_names_the_step_in_our_minor_units(amount: int) -> None:
    with pytest.raises(Inexpressible, match=r"^KWD is charged in steps of 10 minor units\.$"):
        to_stripe(Money(amount, "KWD"))
    with pytest.raises(Inexpressible, match=r"^MGA is charged in steps of 100 minor units\.$"):
        to_stripe(Money(amount, "MGA"))


@pytest.mark.parametrize("code", ["ISK", "UGX"])
@pytest.mark.parametrize("amount", [1, 99, 101, 150])
def test_a_fraction_of_a_minor_unit_is_never_rounded(code: str, amount: int) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        from_stripe(amount, code)


def test_a_currency_that_we_do_not_know_is_booked_as_stripe_counts_it() -> None:
    assert from_stripe(1234, "xyz") == Money(1234, "XYZ")


# What Stripe takes, by Stripe's double.


def test_the_sandbox_and_the_gateway_know_the_same_currencies() -> None:
    assert {code.lower() for code in CURRENCIES} == stripes._DECIMALS.keys()


@pytest.mark.parametrize("code", CURRENCIES)
def test_the_sandbox_takes_what_is_chargeable_and_nothing_beyond(code: str) -> None:
    currency = CURRENCIES[code]
    least, most = chargeable(currency)
    for amount in (least, most):
        stripes.check_amount(to_stripe(Money(amount, code)), code.lower())
    for amount in (least - step(currency), most + step(currency)):
        with pytest.raises(StripeError):
            stripes.check_amount(to_stripe(Money(amount, code)), code.lower())


@pytest.mark.parametrize(
    ("code", "bounds"),
    [
        ("USD", (50, 99_999_999)),
        ("GBP", (30, 99_999_999)),
        ("HUF", (17_500, 99_999_999)),
        ("JPY", (50, 99_999_999)),
        ("ISK", (1, 999_999)),
        ("KWD", (10, 99_999_990)),
        ("MGA", (100, 9_999_999_900)),
        ("IDR", (50, 999_999_999_999)),
    ],
)
def test_chargeable_is_said_in_our_minor_units(code: str, bounds: tuple[int, int]) -> None:
    assert chargeable(CURRENCIES[code]) == bounds


# Limits.


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100", Limit(100)),
        ("100,JPY:50", Limit(100, {"JPY": 50})),
        (" 100 , JPY:50, KWD:300 ", Limit(100, {"JPY": 50, "KWD": 300})),
        (str(MINOR_UNITS_MAX), Limit(MINOR_UNITS_MAX)),
    ],
)
def test_a_limit_is_a_number_with_exceptions(text: str, limit: Limit) -> None:
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is no count"),
        ("-1", "'-1' is no count"),
        ("0", "'0' is no count"),
        ("1.5", "no count"),
        ("1_000", "no count"),
        ("\u0661", "no count"),
        (str(MINOR_UNITS_MAX + 1), "no count"),
        ("JPY:50", "'JPY:50' is no count"),
        ("100,", "'' is no currency"),
        ("100,50", "'50' is no currency"),
        ("100,jpy:50", "'jpy' is no currency"),
        ("100,XXX:50", "'XXX' is no currency"),
        ("100,JPY", "'' is no count"),
        ("100,JPY:", "'' is no count"),
        ("100,JPY:0", "'0' is no count"),
        ("100,JPY:50:60", "'50:60' is no count"),
        ("100,JPY:50,JPY:50", "JPY is named twice"),
    ],
)
def test_a_limit_that_is_not_understood_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Limit.parse(text)


def test_the_bounds_of_a_deposit_are_the_houses_within_stripes() -> None:
    policy = Policy(currencies=("USD", "JPY", "ISK", "HUF"), deposit_min=Limit(10, {"JPY": 500}))
    assert policy.deposit_bounds("USD") == (50, 1_000_000)
    assert policy.deposit_bounds("JPY") == (500, 1_000_000)
    assert policy.deposit_bounds("ISK") == (10, 999_999)
    richer = replace(policy, deposit_max=Limit(1_000_000, {"HUF": 2 * 10**8}))
    assert richer.deposit_bounds("HUF") == (17_500, 99_999_999)
