"""From a request to a context: the bearer token's viewer, the reader's language, the request's id."""

from collections.abc import Sequence
from typing import Any

import structlog
from starlette.requests import HTTPConnection

from domain.changes import Changes
from domain.identity import TokenIssuer
from domain.kernel.errors import Unauthenticated
from domain.runtime import Runtime
from resolvers.context import Context, Limits, Viewer
from server.addresses import Network, client_of
from server.language import preferred_locale
from server.wire import request_id


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
