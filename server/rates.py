"""How often, as settings spell it: `5/hour`, `10/15minute`, `3/second`."""

import re
from dataclasses import dataclass
from typing import Final, Self

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_SPELLING: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,2})?(second|minute|hour|day)", re.ASCII)


@dataclass(frozen=True)
class Rate:
    """At most `limit` in any `window_s` seconds."""

    limit: int
    window_s: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for every other spelling, a space or a plural included."""
        parts = _SPELLING.fullmatch(text)
        if parts is None:
            raise ValueError(
                "a rate is <times>/<unit> or <times>/<number><unit>, such as 5/hour or 10/15minute; "
                f"units are {', '.join(_SECONDS)}, times 1 to 999999, numbers 1 to 999"
            )
        limit, multiple, unit = parts.groups()
        return cls(limit=int(limit), window_s=int(multiple or 1) * _SECONDS[unit])
