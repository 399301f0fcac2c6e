"""GraphQL on the wire: HTTP, server-sent events and WebSocket over any Strawberry schema.

It knows no noun of the product: a schema, a function that makes contexts, and exceptions with `code` and
`public` are all that it is given.
"""

from server.wire.app import create_graphql_app
from server.wire.context import MakeContext, WireContext
from server.wire.documents import EXTENSIONS
from server.wire.middleware import BodyLimit, RequestId, request_id
from server.wire.serving import Server, uvicorn_config
from server.wire.stalling import STALL_S_MAX
from server.wire.view import GraphQLApp

__all__ = [
    "EXTENSIONS",
    "STALL_S_MAX",
    "BodyLimit",
    "GraphQLApp",
    "MakeContext",
    "RequestId",
    "Server",
    "WireContext",
    "create_graphql_app",
    "request_id",
    "uvicorn_config",
]
