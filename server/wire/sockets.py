"""graphql-transport-ws: a token's life bounds the socket's, and every operation has a context of its own."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime
from json import JSONDecodeError
from typing import Any, Final

import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types import ExecutionResult

from server.wire import frames
from server.wire.context import MakeContext, WireContext
from server.wire.errors import BAD_REQUEST, UNAUTHENTICATED, present, present_exception, public_code
from server.wire.middleware import request_id
from server.wire.streams import seconds_until

BAD_FRAME: Final = 4400
FORBIDDEN: Final = 4403
TOO_MANY_INITS: Final = 4429
INTERNAL: Final = 1011
CLOSE_REASON_BYTES_MAX: Final = 123  # RFC 6455, 5.5: a control frame carries 125 bytes, the code takes two

_log = structlog.get_logger("graphql")


class SocketAdapter(ASGIWebSocketAdapter):
    """Strict frames in; no write to a socket that is already closed."""

    ws: WebSocket

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Raises NonTextMessageReceived and NonJsonMessageReceived, whichever way they are configured."""
        del ignore_parsing_errors  # the legacy protocol's habit
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            message = await self.ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            if not isinstance(text := message.get("text"), str):
                raise NonTextMessageReceived
            try:
                yield self.view.decode_json(text)
            except JSONDecodeError as error:
                raise NonJsonMessageReceived from error

    async def send_json(self, message: Any) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            # The reason may quote what the client sent; a longer one would break the connection instead.
            short = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
            with suppress(WebSocketDisconnect):
                await super().close(code, short)


class SocketHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """One socket. `make_context` is set by the view that owns the handler's class."""

    make_context: MakeContext
    websocket: SocketAdapter

    _authorization: str | None = None
    _expiry: asyncio.Task[None] | None = None

    async def handle(self) -> None:
        try:
            await super().handle()
        except Exception as error:
            await self._refuse(error)

    async def handle_message(self, message: Message) -> None:
        if reason := frames.fault(message):
            await self.handle_invalid_message(reason)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        if self.connection_timed_out:
            return
        if self.connection_init_received:
            await self.websocket.close(TOO_MANY_INITS, "Too many initialisation requests")
            return
        self.connection_init_received = True
        self._authorization = frames.authorization(message.get("payload"))
        try:
            context = await self._make_context()
        except Exception as error:
            await self._refuse(error)
            return
        if context.token_expires_at is not None:
            self._expiry = asyncio.create_task(self._close_at(context.token_expires_at))
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        known = message["id"] in self.operations
        limit = self.max_subscriptions_per_connection
        if self.connection_acknowledged and not known and limit is not None and len(self.operations) >= limit:
            refusal = GraphQLError(
                f"A socket carries at most {limit} operations at once.", extensions={"code": BAD_REQUEST}
            )
            await self.send_message({"id": message["id"], "type": "error", "payload": [refusal.formatted]})
        else:
            await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        try:
            try:
                context = await self._make_context()
            except Exception as error:
                if public_code(error) != UNAUTHENTICATED:
                    raise
                await self._refuse(error)
                return
            await self._run(operation, context)
        except WebSocketDisconnected:
            return
        except Exception as error:
            with suppress(WebSocketDisconnected):
                await operation.send_initial_errors([self._presented_exception(error)])

    async def shutdown(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        await super().shutdown()

    async def _run(self, operation: Operation[Any, None], context: WireContext) -> None:
        results = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            root_value=self.root_value,
            operation_name=operation.operation_name,
        )
        async with aclosing(results), aclosing(self._presented(results)) as presented:
            await self._send_result_stream(operation, presented)
        await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def _presented(self, results: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """`results` with their errors as a client may see them."""
        async for result in results:
            if isinstance(result, ExecutionResult) and result.errors:
                errors = present(result.errors, request_id=request_id(self.websocket.ws.scope))
                yield replace(result, errors=errors)
            else:
                yield result

    def _presented_exception(self, error: Exception) -> GraphQLError:
        return present_exception(error, request_id=request_id(self.websocket.ws.scope))

    async def _make_context(self) -> WireContext:
        return await self.make_context(self.websocket.ws, self._authorization)

    async def _refuse(self, error: Exception) -> None:
        """Close for a context that could not be made: 4403 when the token is to blame, 1011 when we are."""
        if public_code(error) is None:
            _log.error("socket_refused", request_id=request_id(self.websocket.ws.scope), exc_info=error)
            await self.websocket.close(INTERNAL, "Internal server error")
        else:
            await self.websocket.close(FORBIDDEN, "Forbidden")

    async def _close_at(self, expires_at: datetime) -> None:
        await asyncio.sleep(seconds_until(expires_at))
        await self.websocket.close(FORBIDDEN, "The access token has expired")
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """A typo ends its operation; Strawberry would close the socket, and every other operation with it."""
        del error
        return None
