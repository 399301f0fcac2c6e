"""Clients that stop reading: what waits for them is bounded, and so is how long.

What is sent goes to the kernel until its buffers are full, then into the connection's own, up to 64 KiB. From
there on uvicorn lets nobody write: each operation of a socket, each response, waits with the one message that
it has in hand, and uvicorn would let it wait for ever. Here a connection that takes nothing for `stall_s_max`
is dropped. A socket is told why, should its client ever come to read it.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

STALL_S_MAX: Final = 10.0
# What is on its way when a connection is closed has this long to arrive.
LINGER_S_MAX: Final = 5.0
UNSENT_BYTES_MAX: Final = 65_536
TOO_SLOW: Final = 4413
TOO_SLOW_REASON: Final = "Too slow: what was sent is not read"

_DROPPED = Counter("jobsphere_slow_clients", "Connections dropped, for the client did not read.", ["kind"])


class _Stalling(asyncio.Protocol):
    """A protocol of uvicorn's that calls `give_up` when nothing could be written for `stall_s_max`.

    However slowly, as long as what waits becomes less, somebody is reading.
    """

    stall_s_max: float = STALL_S_MAX
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # The kernel would take megabytes, and ask for more only when a third of them is gone.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._moving_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._moving_again()
        super().connection_lost(exc)

    def give_up(self) -> None:
        raise NotImplementedError

    def _look_again(self, waiting: int) -> None:
        self._stalled = self.loop.call_later(self.stall_s_max, self._look, waiting)

    def _look(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting < before:
            self._look_again(waiting)
        else:
            self.give_up()

    def _moving_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class StallingHttp(_Stalling, HttpToolsProtocol):
    """A response that nobody reads, an event stream for instance, is cut off."""

    def give_up(self) -> None:
        _DROPPED.labels(kind="http").inc()
        self.transport.abort()


class StallingSocket(_Stalling, WebSocketsSansIOProtocol):
    """A socket that nobody reads is closed with 4413, and its application is told at once.

    uvicorn closes a connection when what is in its buffer has left, which here may be never: each way of
    closing ends within LINGER_S_MAX.
    """

    linger_s_max: float = LINGER_S_MAX

    def give_up(self) -> None:
        _DROPPED.labels(kind="socket").inc()
        with suppress(InvalidState):  # it is closing already
            self.conn.send_close(TOO_SLOW, TOO_SLOW_REASON)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._leave(TOO_SLOW)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._leave(1006)

    def handle_close(self, event: Any) -> None:
        super().handle_close(event)
        self._linger()

    def shutdown(self) -> None:
        super().shutdown()
        self._linger()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            # The peer has so long to answer with its own close; then uvicorn would only wait for the buffer.
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def _leave(self, code: int) -> None:
        """The application need not wait for the connection's end."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.disconnected = True
        self.writable.set()
        self.transport.close()
        self._linger()

    def _linger(self) -> None:
        self.loop.call_later(self.linger_s_max, self.transport.abort)


def stalling(stall_s_max: float) -> tuple[type[StallingHttp], type[StallingSocket]]:
    """Both protocols with this patience."""
    http = type("Http", (StallingHttp,), {"stall_s_max": stall_s_max})
    sockets = type("Socket", (StallingSocket,), {"stall_s_max": stall_s_max, "linger_s_max": stall_s_max / 2})
    return http, sockets
