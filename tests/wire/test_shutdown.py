"""SIGTERM: sockets are told, and the process is gone at once."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

PROGRAM = """
from server.wire import Server, uvicorn_config
from tests.wire.toy import make_app

app, graphql = make_app()
server = Server(uvicorn_config(app, host="127.0.0.1", port=0), graphql)
started = server.startup

async def startup(sockets=None):
    await started(sockets)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)

server.startup = startup
server.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigterm_closes_sockets_and_leaves() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout
    try:
        url = f"ws://127.0.0.1:{process.stdout.readline().strip()}/graphql"
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            socket.send('{"type": "connection_init"}')
            query = 'subscription { ticks(name: "terminated") }'
            socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
            assert json.loads(socket.recv())["type"] == "connection_ack"
            assert json.loads(socket.recv())["type"] == "next"
            os.kill(process.pid, signal.SIGTERM)
            asked = time.monotonic()
            with suppress(ConnectionClosed):
                while True:
                    socket.recv(timeout=3)
        assert socket.close_code == 1012
        process.wait(timeout=3)
        assert time.monotonic() - asked < 2.5
        assert process.returncode in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
