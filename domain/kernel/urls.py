"""Addresses that somebody is sent back to, as callers give them."""

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

from domain.kernel.errors import InvalidInput

RETURN_URL_CHARACTERS_MAX: Final = 2_048
# What a browser would run, or open from a disk. An app's own scheme is as good as a page's.
_NEVER_RETURNED_TO: Final = frozenset({"", "about", "blob", "data", "file", "javascript", "vbscript"})


def check_return_url(url: str, *, path: Sequence[str], schemes: Collection[str] | None = None) -> None:
    """Raises InvalidInput at `path` unless it is the absolute address of a page, or an app's own link.

    `schemes`: the only ones that will do, where whoever sends people back takes no others.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    odd = not url.isprintable() or " " in url or len(url) > RETURN_URL_CHARACTERS_MAX
    if parts.scheme in _NEVER_RETURNED_TO or not parts.netloc or odd:
        raise InvalidInput("This is not the absolute address of a page or an app.", path=path)
    if schemes is not None and parts.scheme not in schemes:
        raise InvalidInput(f"This address must begin with {' or '.join(sorted(schemes))}.", path=path)
