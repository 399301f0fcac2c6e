"""Saying no, aloud, to what Stripe can do and the sandbox cannot."""

from collections.abc import Mapping
from typing import Any

from .errors import unsupported


def only(params: Mapping[str, Any], *names: str) -> None:
    """Refuse parameters that the specification has but the sandbox would ignore."""
    for name in params:
        if name not in names and name != "expand":
            raise unsupported(name, what=f"the parameter '{name}' here")
