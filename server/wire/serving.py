"""uvicorn as this product runs it: bounded frames, live sockets, bounded patience, and a quick end."""

import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from server.wire.stalling import STALL_S_MAX, stalling
from server.wire.view import GraphQLApp

FRAME_BYTES_MAX: Final = 1_048_576
PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 20.0
# Open sockets count too: a lower limit would answer 503 to everyone once enough people watch their wallets.
CONNECTIONS_MAX: Final = 10_000
DRAIN_S_MAX: Final = 10


def uvicorn_config(app: ASGIApp, *, host: str, port: int, stall_s_max: float = STALL_S_MAX) -> uvicorn.Config:
    """Logging is the application's: uvicorn's access log would write queries and what is in them.

    The peer stays the peer: uvicorn would believe X-Forwarded-For of everybody on this machine.
    """
    http, sockets = stalling(stall_s_max)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=http,
        ws=sockets,
        ws_max_size=FRAME_BYTES_MAX,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=DRAIN_S_MAX,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )


class Server(uvicorn.Server):
    """Sockets get 1012 from uvicorn; event streams are requests that never end, so the view ends them."""

    def __init__(self, config: uvicorn.Config, graphql: GraphQLApp) -> None:
        super().__init__(config)
        self._graphql = graphql

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._graphql.close()
        await super().shutdown(sockets)
