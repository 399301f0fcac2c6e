"""From a request to a context: the bearer token's viewer, the reader's language, the request's id."""

from collections.abc import Sequence
from typing import Any

import structlog
from babel import Locale, UnknownLocaleError
from starlette.requests import HTTPConnection

from domain.changes import Changes
from domain.identity import TokenIssuer
from domain.kernel.errors import Unauthenticated
from domain.runtime import Runtime
from resolvers.context import Context, Limits, Viewer
from server.addresses import Network, client_of
from server.wire import request_id

LOCALE_DEFAULT = "en_US"


class Contexts:
    """Makes the context of each operation; it fits the wire's MakeContext."""

    def __init__(self, issuer: TokenIssuer, *, trusted_proxies: Sequence[Network] = ()) -> None:
        self._issuer = issuer
        self._trusted_proxies = trusted_proxies

    async def __call__(self, connection: HTTPConnection[Any], authorization: str | None) -> Context:
        """Raises Unauthenticated for a token that is not good. No token: nobody is signed in."""
        runtime: Runtime = connection.state.runtime
        changes: Changes = connection.state.changes
        limits: Limits = connection.state.limits
        viewer = self._viewer(authorization, runtime)
        if viewer is not None:
            structlog.contextvars.bind_contextvars(user=viewer.id)
        return Context(
            runtime=runtime,
            changes=changes,
            issuer=self._issuer,
            limits=limits,
            viewer=viewer,
            client=self._client(connection),
            request_id=request_id(connection.scope),
            locale=preferred_locale(connection.headers.get("accept-language", "")),
        )

    def _client(self, connection: HTTPConnection[Any]) -> str:
        peer = None if connection.client is None else connection.client.host
        forwarded_for = connection.headers.getlist("x-forwarded-for")
        return client_of(peer, forwarded_for, trusted=self._trusted_proxies)

    def _viewer(self, authorization: str | None, runtime: Runtime) -> Viewer | None:
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer <access token>`.")
        return Viewer.of(self._issuer.verify(token.strip(), now=runtime.now()))


def preferred_locale(accept_language: str) -> str:
    """The first language of the header that Babel knows, in Babel's spelling; else American English."""
    weighted = []
    for position, part in enumerate(accept_language[:200].split(",")):
        tag, _, parameter = part.strip().partition(";")
        weight = parameter.strip().removeprefix("q=") or "1"
        if tag and tag != "*" and weight.replace(".", "", 1).isdigit():
            weighted.append((-float(weight), position, tag))
    for _, _, tag in sorted(weighted):
        try:
            return str(Locale.parse(tag, sep="-"))
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return LOCALE_DEFAULT
