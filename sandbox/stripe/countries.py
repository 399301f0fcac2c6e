"""Where a connected account can be, and the currency that it settles in unless told otherwise.

From Stripe's pages on availability and on cross-border payouts. The platform is in the United States.
"""

from .errors import invalid

PLATFORM_COUNTRY = "US"


def _by_country(text: str) -> dict[str, str]:
    """From lines of a currency and its countries."""
    lines = [line.split() for line in text.strip().splitlines()]
    return {country: currency for currency, *countries in lines for country in countries}


_FULL = _by_country("""
    eur AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK
    aed AE
    aud AU
    brl BR
    cad CA
    chf CH LI
    czk CZ
    dkk DK
    gbp GB GI
    hkd HK
    huf HU
    jpy JP
    mxn MX
    myr MY
    nok NO
    nzd NZ
    pln PL
    ron RO
    sek SE
    sgd SG
    thb TH
    usd US
""")
"""Countries where an account can do all that Stripe does."""

_RECIPIENT_ONLY = _by_country("""
    ars AR
    bob BO
    clp CL
    cop CO
    crc CR
    dop DO
    egp EG
    idr ID
    ils IL
    inr IN
    isk IS
    kes KE
    krw KR
    mad MA
    pen PE
    php PH
    pkr PK
    pyg PY
    rsd RS
    try TR
    twd TW
    uyu UY
    vnd VN
    zar ZA
""")
"""Countries where an account can only be paid, under the recipient service agreement."""


def currency_of(country: str, *, recipient: bool) -> str:
    """The default currency there. Raises StripeError country_unsupported."""
    known = _FULL | _RECIPIENT_ONLY if recipient else _FULL
    if country not in known:
        raise invalid(
            f"{country} is not currently supported by Stripe.", param="country", code="country_unsupported"
        )
    return known[country]
