"""The reader's language, by the Accept-Language header."""

import re
from collections.abc import Iterator
from typing import Final

from babel import Locale, UnknownLocaleError

LOCALE_DEFAULT: Final = "en_US"
# A browser sends a line of it; whatever is longer is not read to its end.
CHARACTERS_MAX: Final = 500

# A tag of a few subtags, also in the spelling of operating systems (de_DE), and RFC 9110's weight.
_RANGE: Final = re.compile(
    r"(?P<tag>\*|[a-z]{2,3}(?:[-_][a-z0-9]{1,8}){0,4})"
    r"(?:[ \t]*;[ \t]*q=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII | re.IGNORECASE,
)


def preferred_locale(accept_language: str) -> str:
    """The best-weighted language of the header that Babel speaks, in Babel's spelling; else American English.

    A tag is shortened from its end until Babel knows it (RFC 4647, 3.4), so de-XX is de. Babel's parser and
    not its negotiate_locale, to which zh-TW is the Chinese of the mainland.
    """
    for tag in _by_weight(accept_language):
        if tag == "*":
            return LOCALE_DEFAULT
        if locale := _look_up(tag):
            return locale
    return LOCALE_DEFAULT


def _by_weight(header: str) -> Iterator[str]:
    """The tags, the most wanted first. One that is malformed, or not wanted at all, is left out."""
    if len(header) > CHARACTERS_MAX:
        # Never half a tag: it might be another language.
        header = header[:CHARACTERS_MAX].rpartition(",")[0]
    matches = [match for part in header.split(",") if (match := _RANGE.fullmatch(part.strip(" \t")))]
    weighted = [(float(match["weight"] or 1), match["tag"]) for match in matches]
    yield from (tag for weight, tag in sorted(weighted, key=lambda pair: -pair[0]) if weight > 0)


def _look_up(tag: str) -> str | None:
    subtags = tag.replace("_", "-").split("-")
    for length in range(len(subtags), 0, -1):
        try:
            return str(Locale.parse("-".join(subtags[:length]), sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    return None
