"""Stripe's form encoding: `a[b][0]=x`, `a[]=x`, in bodies and in queries alike."""

import re
from typing import Any
from urllib.parse import parse_qsl

from .errors import NotExecuted, bad_parameter

Form = dict[str, Any]
"""Strings, and dictionaries of them. A list is a dictionary keyed by digits, until its schema is known."""

_KEY = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\])*")
_PART = re.compile(r"\[([^\[\]]*)\]")


def decode(encoded: bytes) -> Form:
    """The parameters of a body or a query string.

    Raises NotExecuted (400) for what is not UTF-8, and for names that contradict each other or do not parse.
    """
    try:
        pairs = parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise bad_parameter("Invalid UTF-8 sequence in the request parameters.") from None
    form: Form = {}
    for name, value in pairs:
        _put(form, _path(name), value, name=name)
    return form


def _path(name: str) -> list[str]:
    if _KEY.fullmatch(name) is None:
        raise _malformed(name)
    head, _, _ = name.partition("[")
    return [head, *_PART.findall(name)]


def _put(form: Form, path: list[str], value: str, *, name: str) -> None:
    node = form
    for step in path[:-1]:
        child = node.setdefault(step or str(len(node)), {})
        if not isinstance(child, dict):
            raise _malformed(name)
        node = child
    last = path[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise _malformed(name)
    node[last] = value


def _malformed(name: str) -> NotExecuted:
    return bad_parameter(f"Invalid request: the parameter name '{name}' cannot be read.", param=name)
