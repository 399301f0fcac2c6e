"""What a person types at sign-up, made regular or refused. Pure."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

from domain.identity.documents import Role
from domain.kernel.errors import InvalidInput

EMAIL_CHARACTERS_MAX: Final = 254
PASSWORD_CHARACTERS_MIN: Final = 8
PASSWORD_BYTES_MAX: Final = 128
DISPLAY_NAME_CHARACTERS_MAX: Final = 100

SIGN_UP_ROLES: Final = frozenset({Role.CUSTOMER, Role.CONTRACTOR})

# Control characters, lone surrogates, line and paragraph separators.
_CATEGORIES_REFUSED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the text that follows around, and with it whom a statement seems to name.
_DIRECTION_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class EmailAddress:
    """`address` as it is shown: NFC, its domain in lower case. `lookup`: all of it in lower case."""

    address: str
    lookup: str


def parse_email(text: str) -> EmailAddress:
    """Raises InvalidInput for what is no address. Whether it can be reached is not asked."""
    text = text.strip()
    if len(text) > EMAIL_CHARACTERS_MAX:
        raise InvalidInput("This e-mail address is too long.", path=["email"])
    try:
        # `test_environment` only lets the reserved domain .test pass, which no mail can ever reach.
        address = validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise InvalidInput("This is not an e-mail address.", path=["email"]) from error
    return EmailAddress(address=address, lookup=unicodedata.normalize("NFC", address.lower()))


def check_new_password(password: str) -> bytes:
    """The bytes to hash. Raises InvalidInput for fewer than 8 characters or more than 128 bytes."""
    secret = password_bytes(password)
    if secret is None:
        raise InvalidInput(
            f"A password has at most {PASSWORD_BYTES_MAX} bytes: as many plain letters, fewer other signs.",
            path=["password"],
        )
    if len(secret.decode()) < PASSWORD_CHARACTERS_MIN:
        raise InvalidInput(
            f"A password has at least {PASSWORD_CHARACTERS_MIN} characters.", path=["password"]
        )
    return secret


def password_bytes(password: str) -> bytes | None:
    """UTF-8 of the NFC form, which is the same from every keyboard; None for what no password can be."""
    # Looked at before it is normalised: a megabyte of combining marks is not worth sorting.
    if len(password) > 4 * PASSWORD_BYTES_MAX:
        return None
    try:
        secret = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return None
    return secret if len(secret) <= PASSWORD_BYTES_MAX else None


def check_display_name(text: str) -> str:
    """NFC, without the space around it. Raises InvalidInput: not 1 to 100 characters, or none to be seen."""
    text = text.strip()
    if not 1 <= len(text) <= DISPLAY_NAME_CHARACTERS_MAX:
        raise InvalidInput(
            f"A display name has 1 to {DISPLAY_NAME_CHARACTERS_MAX} characters.", path=["displayName"]
        )
    categories = {unicodedata.category(character) for character in text}
    if categories & _CATEGORIES_REFUSED or _DIRECTION_OVERRIDES & set(text):
        raise InvalidInput("A display name has no control characters.", path=["displayName"])
    if not any(category[0] in "LNPS" for category in categories):
        raise InvalidInput("A display name has a character that can be seen.", path=["displayName"])
    return unicodedata.normalize("NFC", text)


def check_sign_up_roles(roles: Iterable[Role]) -> list[Role]:
    """Without repeats, in the order of Role. Raises InvalidInput: none, or a role that is granted."""
    wanted = set(roles)
    if not wanted or not wanted <= SIGN_UP_ROLES:
        raise InvalidInput("Choose CUSTOMER, CONTRACTOR or both.", path=["roles"])
    return in_order(wanted)


def in_order(roles: Iterable[Role]) -> list[Role]:
    wanted = set(roles)
    return [role for role in Role if role in wanted]
