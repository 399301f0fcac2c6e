"""From a request to a context: the bearer token's viewer, the reader's language, the request's id."""

from typing import Any

import structlog
from starlette.requests import HTTPConnection

from domain.changes import Changes
from domain.identity import TokenIssuer
from domain.kernel.errors import Unauthenticated
from domain.runtime import Runtime
from resolvers.context import Context, Viewer
from server.language import preferred_locale
from server.wire import request_id


class Contexts:
    """Makes the context of each operation; it fits the wire's MakeContext."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    async def __call__(self, connection: HTTPConnection[Any], authorization: str | None) -> Context:
        """Raises Unauthenticated for a token that is not good. No token: nobody is signed in."""
        runtime: Runtime = connection.state.runtime
        changes: Changes = connection.state.changes
        viewer = self._viewer(authorization, runtime)
        if viewer is not None:
            structlog.contextvars.bind_contextvars(user=viewer.id)
        return Context(
            runtime=runtime,
            changes=changes,
            issuer=self._issuer,
            viewer=viewer,
            request_id=request_id(connection.scope),
            locale=preferred_locale(connection.headers.get("accept-language", "")),
        )

    def _viewer(self, authorization: str | None, runtime: Runtime) -> Viewer | None:
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must be `Bearer <access token>`.")
        return Viewer.of(self._issuer.verify(token.strip(), now=runtime.now()))
