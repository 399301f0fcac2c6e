"""Which currencies there are, how they are counted, and what a card can be charged.

From Stripe's page on currencies. Only those named here can be used; each settles in itself.
"""

from .errors import StripeError, invalid

_TWO_DECIMALS = """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf
    chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr
    ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr
    mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos
    srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd yer zar zmw
"""
_NO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMALS = "bhd jod kwd omr tnd"
_DECIMALS = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
# The last digit of three is a zero, and those that lost their decimals keep two zeros in their place.
_STEPS = {**dict.fromkeys(_THREE_DECIMALS.split(), 10), "isk": 100, "ugx": 100}
_PAYOUT_STEPS = _STEPS | {"huf": 100, "twd": 100}

AMOUNT_MAX = 99_999_999
"""Eight digits, but for the currencies named below."""

_AMOUNT_MAX = {"inr": 999_999_999, "cop": 9_999_999_999, "idr": 999_999_999_999}
_CHARGE_MIN = {
    "usd": 50,
    "aed": 200,
    "ars": 50,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "cop": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "idr": 50,
    "ils": 50,
    "inr": 50,
    "jpy": 50,
    "krw": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "php": 50,
    "pln": 200,
    "ron": 200,
    "rub": 50,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "zar": 50,
}


def check_currency(currency: str, *, param: str = "currency") -> str:
    """In lower case. Raises StripeError for one that is unknown."""
    lower = currency.lower()
    if lower not in _DECIMALS:
        names = ", ".join(_DECIMALS)
        raise invalid(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {names}",
            param=param,
        )
    return lower


def check_amount(amount: int, currency: str) -> int:
    """An amount that a card can be charged. Raises StripeError."""
    check_positive(amount)
    check_step(amount, currency)
    least = least_charge(currency)
    if amount < least:
        shown = displayed(least, currency)
        raise invalid(f"Amount must be at least {shown}", param="amount", code="amount_too_small")
    most = _AMOUNT_MAX.get(currency, AMOUNT_MAX)
    if amount > most:
        shown = displayed(most, currency)
        raise invalid(f"Amount must be no more than {shown}", param="amount", code="amount_too_large")
    return amount


def least_charge(currency: str) -> int:
    """One unit where Stripe names no least amount."""
    return _CHARGE_MIN.get(currency, 1)


def check_positive(amount: int) -> int:
    """Raises StripeError."""
    if amount < 1:
        raise StripeError(
            400,
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    return amount


def check_step(amount: int, currency: str, *, payout: bool = False) -> None:
    """Raises StripeError for digits that the currency has not, in our words: its own are not published.

    Banks are paid in fewer digits of some currencies than cards are charged in.
    """
    step = _PAYOUT_STEPS.get(currency, 1) if payout else step_of(currency)
    if amount % step:
        raise invalid(
            f"Invalid amount: amounts in {currency.upper()} must be evenly divisible by {step}.",
            param="amount",
            code="parameter_invalid_integer",
        )


def step_of(currency: str) -> int:
    """Amounts are multiples of this many of the units that Stripe counts in."""
    return _STEPS.get(currency, 1)


def displayed(amount: int, currency: str) -> str:
    """For people: `12.50 USD`, `500 JPY`, `1.230 KWD`."""
    decimals = _DECIMALS[currency]
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**decimals)
    digits = f".{fraction:0{decimals}}" if decimals else ""
    return f"{sign}{whole:,}{digits} {currency.upper()}"
