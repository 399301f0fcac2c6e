"""The GraphQL endpoint, put together from the view and GraphiQL."""

from collections.abc import Sequence

from strawberry.schema import BaseSchema

from server.graphiql.page import FIRST_QUERY, Graphiql
from server.wire.context import MakeContext
from server.wire.view import CONNECTION_INIT_S_MAX, OPERATIONS_PER_SOCKET_MAX, GraphQLApp


def create_graphql_app(
    schema: BaseSchema,
    *,
    make_context: MakeContext,
    graphiql: bool = False,
    first_query: str = FIRST_QUERY,
    allowed_origins: Sequence[str] = (),
    connection_init_s_max: float = CONNECTION_INIT_S_MAX,
    operations_per_socket_max: int = OPERATIONS_PER_SOCKET_MAX,
) -> GraphQLApp:
    """An ASGI application for `schema`, which must have been made with `EXTENSIONS`; `routes` lead to it.

    `allowed_origins` are the other sites whose pages may open a WebSocket; `first_query` is what GraphiQL
    shows at first.
    """
    return GraphQLApp(
        schema,
        make_context=make_context,
        graphiql=Graphiql(first_query=first_query) if graphiql else None,
        allowed_origins=allowed_origins,
        connection_init_s_max=connection_init_s_max,
        operations_per_socket_max=operations_per_socket_max,
    )
