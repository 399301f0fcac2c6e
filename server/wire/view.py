"""GraphQL over HTTP, to the letter: Strawberry's view where it is right, ours where it is not."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from cross_web import AsyncHTTPRequestAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.streaming import HTTPStreamTransport, SSETransport
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from server.graphiql.page import Graphiql
from server.wire import content
from server.wire.context import MakeContext, WireContext
from server.wire.errors import (
    STATUS_BY_CODE,
    Refusal,
    present,
    present_exception,
)
from server.wire.middleware import request_id
from server.wire.parameters import from_body, from_query_string
from server.wire.sockets import SocketAdapter, SocketHandler
from server.wire.streams import bounded

PATH: Final = "/graphql"
CONNECTION_INIT_S_MAX: Final = 5.0
OPERATIONS_PER_SOCKET_MAX: Final = 100

_OPERATIONS_BY_METHOD: Final = {
    "GET": {OperationType.QUERY},
    "POST": {OperationType.QUERY, OperationType.MUTATION},
}
# Answers are one person's money, and differ by what the client can read.
_HEADERS: Final = {"Vary": "Accept, Accept-Language", "Cache-Control": "no-store"}


class GraphQLApp(GraphQL[Any, None]):
    """An ASGI application for one path: queries by GET and POST, server-sent events, and sockets."""

    websocket_adapter_class = SocketAdapter

    def __init__(
        self,
        schema: BaseSchema,
        *,
        make_context: MakeContext,
        graphiql: Graphiql | None = None,
        allowed_origins: Sequence[str] = (),
        connection_init_s_max: float = CONNECTION_INIT_S_MAX,
        operations_per_socket_max: int = OPERATIONS_PER_SOCKET_MAX,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=connection_init_s_max),
            max_subscriptions_per_connection=operations_per_socket_max,
            allowed_origins=allowed_origins,
        )
        self._make_context = make_context
        self._graphiql = graphiql
        self._closing = asyncio.Event()
        self.graphql_transport_ws_handler_class = type(
            "BoundSocketHandler", (SocketHandler,), {"make_context": staticmethod(make_context)}
        )

    def routes(self, path: str = PATH) -> list[BaseRoute]:
        """HTTP and WebSocket on `path`, GraphiQL's files below it."""
        routes: list[BaseRoute] = [Route(path, self), WebSocketRoute(path, self)]
        if self._graphiql:
            routes.append(Route(f"{path}/assets/{{name}}", self._graphiql.asset))
        return routes

    def close(self) -> None:
        """End the event streams, for the process is going down; sockets are closed by the server."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.run(WebSocket(scope, receive, send))
        else:
            request = Request(scope, receive)
            response = await self._answer(request)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            if page := self._page(request):
                return page
            _check(request)
            return await self.run(request)
        except Exception as error:
            return self._refuse(request, error)

    def _page(self, request: Request) -> Response | None:
        """GraphiQL for who opened the address in a browser; None for a client that asks something."""
        asks = request.method != "GET" or "query" in request.query_params
        if asks or not content.wants_page(request.headers.get("accept")):
            return None
        if self._graphiql is None:
            raise Refusal(404, "GraphiQL is off. Ask by POST, with Content-Type: application/json.")
        return self._graphiql.page(request)

    def _refuse(self, request: Request, error: Exception) -> Response:
        """`error` as the whole answer; masked, and logged, unless it was meant for the client."""
        presented = present_exception(error, request_id=request_id(request.scope))
        status = error.status if isinstance(error, Refusal) else _status_of(presented.extensions)
        headers = dict(_HEADERS)
        if isinstance(error, Refusal):
            headers |= error.headers
        if retry_after := (presented.extensions or {}).get("retryAfterSeconds"):
            headers["Retry-After"] = str(retry_after)
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        media_type = content.choose_media_type(request.headers.get("accept")) or content.JSON
        return Response(content.encode({"errors": [presented.formatted]}), status, headers, media_type)

    # From here on: what Strawberry's view calls, in its order.

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        """A socket has no context of its own: each of its operations makes one."""
        del response
        if self.is_websocket_request(request):
            return None
        return await self._make_context(request, request.headers.get("authorization"))

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Carries the media type and headers to `create_response`, which is not shown the request."""
        response = await super().get_sub_response(request)
        response.media_type = content.choose_media_type(request.headers.get("accept"))
        response.headers.update(_HEADERS)
        return response

    def should_render_graphql_ide(self, request: object) -> bool:
        del request
        return False

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        transport = self._get_stream_transport_from_headers(request.headers)
        protocol = transport.protocol if transport else "http"
        if request.method == "GET":
            return from_query_string(request.query_params, protocol)
        if not content.is_json(request.content_type):
            raise Refusal(415, f"The body must be {content.JSON}, in UTF-8.")
        return from_body(await request.get_body(), protocol)

    def _get_stream_transport_from_headers(self, headers: Mapping[str, str]) -> HTTPStreamTransport | None:
        if content.wants_stream(headers.get("accept")):
            return self._get_stream_transport(SSETransport.protocol)
        return None

    async def execute_operation(  # type: ignore[override] # batches are off, so there is never a list
        self, *, context: WireContext, sub_response: Response, **arguments: Any
    ) -> ExecutionResult | AsyncIterator[Any]:
        result: Any = await super().execute_operation(context=context, sub_response=sub_response, **arguments)
        if context.retry_after_s:
            sub_response.headers["Retry-After"] = str(context.retry_after_s)
        if isinstance(result, SubscriptionExecutionResult):
            return bounded(result, expires_at=context.token_expires_at, closing=self._closing)
        return result  # type: ignore[no-any-return]

    async def execute_single(  # type: ignore[override] # the keywords that matter, out of Strawberry's six
        self, *, request: Request, request_data: GraphQLRequestData, context: WireContext, **_: Any
    ) -> ExecutionResult:
        try:
            return await self.schema.execute(
                request_data.query,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=_OPERATIONS_BY_METHOD[request.method],
                operation_extensions=request_data.extensions,
            )
        except CannotGetOperationTypeError as error:
            raise Refusal(400, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                message = "Mutations are not allowed by GET."
                raise Refusal(405, message, headers={"Allow": "POST"}) from error
            message = "Subscriptions need a WebSocket, or Accept: text/event-stream."
            raise Refusal(400, message) from error

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Errors come first, as the specification advises; a request that never ran has no `data` at all."""
        response: GraphQLHTTPResponse = {}
        if result.errors:
            errors = present(result.errors, request_id=request_id(request.scope))
            response["errors"] = [error.formatted for error in errors]
        if not _never_ran(result):
            response["data"] = result.data
        if result.extensions:
            response["extensions"] = result.extensions
        return response

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        media_type = sub_response.media_type or content.JSON
        response = Response(content.encode(response_data), media_type=media_type)
        response.headers.update(sub_response.headers)
        if "data" not in response_data:
            status = _status_of(response_data["errors"][0]["extensions"])
            # Clients of plain JSON read the body of a 200 only; a failing server is no 200 to anyone.
            response.status_code = status if media_type == content.GRAPHQL_RESPONSE or status >= 500 else 200
        return response

    def decode_json(self, data: str | bytes) -> Any:
        return content.decode(data)

    def encode_json(self, data: object) -> str:
        """Text, for bytes would become binary frames on a socket."""
        return content.encode(data).decode()


def _check(request: Request) -> None:
    """Raises Refusal for a method or an Accept header that GraphQL does not serve."""
    accept = request.headers.get("accept")
    if request.method not in _OPERATIONS_BY_METHOD:
        raise Refusal(
            405, "GraphQL is asked by GET or POST.", headers={"Allow": ", ".join(_OPERATIONS_BY_METHOD)}
        )
    if content.choose_media_type(accept) is None and not content.wants_stream(accept):
        raise Refusal(406, f"The answer is {content.GRAPHQL_RESPONSE} or {content.JSON}.")


def _never_ran(result: ExecutionResult) -> bool:
    """Whether this is a request error: an execution's errors have a path, bad variables have none."""
    if isinstance(result, PreExecutionError):
        return True
    return (
        result.data is None and bool(result.errors) and all(not error.path for error in result.errors or ())
    )


def _status_of(extensions: Mapping[str, Any] | None) -> int:
    return STATUS_BY_CODE.get((extensions or {}).get("code", ""), 400)
