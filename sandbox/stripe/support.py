"""What endpoints check of their parameters beyond the specification."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import bad_parameter, unsupported


def only(params: Mapping[str, Any], *names: str) -> None:
    """Say no, aloud, to parameters that the specification has but the sandbox would ignore."""
    for name in params:
        if name not in names and name != "expand":
            raise unsupported(name, what=f"the parameter '{name}' here")


def web_address(params: Mapping[str, Any], name: str) -> str:
    """A page to which a person is sent. Raises NotExecuted when it is missing, or is none."""
    if name not in params:
        raise bad_parameter(f"Missing required param: {name}.", param=name, code="parameter_missing")
    url: str = params[name]
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_parameter("Not a valid URL", param=name, code="url_invalid")
    return url
