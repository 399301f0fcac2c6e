"""The API process: GraphQL, Stripe's webhooks, health and metrics in one Starlette application."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any, Final, TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from domain.changes import Changes
from domain.kernel.clock import Clock, utc_now
from domain.runtime import Runtime
from resolvers.context import Limits
from schema.roots import make_schema
from server import health
from server.auth import Contexts
from server.limits import open_limits
from server.metrics import metrics
from server.runtime import WATCHED, open_runtime, token_issuer
from server.settings import Settings, reveal
from server.wire import EXTENSIONS, BodyLimit, GraphQLApp, RequestId, create_graphql_app
from webhooks import WebhookSecrets, create_routes

FIRST_QUERY: Final = """\
# Ctrl-Enter runs the operation at the cursor.
#
# Become somebody, then put the access token
# into the Headers tab below:
#   { "Authorization": "Bearer <accessToken>" }

mutation SignUp {
  signUp(input: {
    email: "you@example.com", password: "correct horse",
    displayName: "You", roles: [CUSTOMER]
  }) {
    session { accessToken }
    userErrors { code message }
  }
}

mutation Deposit {
  createDeposit(input: {
    amount: 2500, idempotencyKey: "my-first"
  }) {
    deposit { id status clientSecret amount { display } }
    userErrors { code message }
  }
}

subscription Wallet {
  walletUpdated {
    available { display }
    transactions(first: 3) {
      edges { node { sequence kind amount { display } } }
    }
  }
}
"""


class State(TypedDict):
    """What every request finds in `request.state`."""

    runtime: Runtime
    changes: Changes
    limits: Limits


def create_app(settings: Settings, *, now: Clock = utc_now) -> tuple[Starlette, GraphQLApp]:
    """The application, and its GraphQL endpoint, which the server closes first."""
    graphql = create_graphql_app(
        make_schema(EXTENSIONS),
        make_context=Contexts(token_issuer(settings), trusted_proxies=settings.trusted_proxies),
        graphiql=settings.serves_graphiql,
        first_query=FIRST_QUERY,
        allowed_origins=settings.cors_origins,
    )
    secrets = WebhookSecrets(
        platform=reveal(settings.stripe_webhook_secrets),
        connect=reveal(settings.stripe_connect_webhook_secrets),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[State]:
        async with (
            open_runtime(settings, now=now) as runtime,
            open_limits(settings) as limits,
            _watching(runtime) as changes,
        ):
            # What lives from here on lives as long as the process: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            yield {"runtime": runtime, "changes": changes, "limits": limits}

    app = Starlette(
        routes=[
            *graphql.routes(),
            *create_routes(secrets),
            Route("/health/live", health.live),
            Route("/health/ready", health.ready),
            Route("/metrics", metrics),
        ],
        middleware=_middleware(settings),
        lifespan=lifespan,
    )
    return app, graphql


@contextlib.asynccontextmanager
async def _watching(runtime: Runtime) -> AsyncIterator[Changes]:
    """The process's change stream, for as long as it serves."""
    changes = Changes(runtime.database, WATCHED)
    task = asyncio.create_task(changes.run(), name="changes")
    try:
        yield changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _middleware(settings: Settings) -> list[Middleware]:
    middleware: list[Middleware] = [Middleware(RequestId)]
    if settings.cors_origins:
        options: dict[str, Any] = {
            "allow_origins": list(settings.cors_origins),
            "allow_methods": ["GET", "POST"],
            "allow_headers": ["authorization", "content-type", "x-request-id"],
            "expose_headers": ["x-request-id", "retry-after"],
        }
        middleware.append(Middleware(CORSMiddleware, **options))
    return [*middleware, Middleware(BodyLimit)]
