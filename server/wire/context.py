"""What the wire needs to know of the context that resolvers are handed: next to nothing."""

from datetime import datetime
from typing import Any, Protocol

from starlette.requests import HTTPConnection


class WireContext(Protocol):
    """One operation's context. `token_expires_at` is aware, and None for a caller without a token.

    `retry_after_s`: whole seconds that refusals in the answer's data ask the caller to wait; 0 for none.
    """

    @property
    def token_expires_at(self) -> datetime | None: ...

    @property
    def retry_after_s(self) -> int: ...


class MakeContext(Protocol):
    """Makes a context for every operation, also on a socket, so that loaders never go stale.

    `authorization` is the header's value, or the same from connection_init. A bad token raises an exception
    with `code = "UNAUTHENTICATED"` and `public = True`; no token is nobody's fault.
    """

    async def __call__(self, connection: HTTPConnection[Any], authorization: str | None) -> WireContext: ...
