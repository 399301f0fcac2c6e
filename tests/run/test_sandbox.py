"""The Stripe sandbox as a process: it leaves when it is told to."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.run.processes import eventually

KEY = "sk_test_process"
COMMAND = "from server.cli import app; app()"
LEAVES_WITHIN_S = 5.0
"""One second of grace, and the interpreter's own end on a busy machine."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The sandbox, and a client of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", COMMAND, "sandbox", "--port", port]
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "STRIPE_SECRET_KEY": KEY}
    child = subprocess.Popen(command, env=environment)  # noqa: S603
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", auth=(KEY, ""), timeout=60, trust_env=False
    ) as client:
        try:
            assert eventually(lambda: _answers(client), within_s=30)
            yield child, client
        finally:
            child.kill()
            child.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").is_success
    except httpx.TransportError:
        return False


def test_a_held_call_keeps_no_process_alive(process: tuple[subprocess.Popen[bytes], httpx.Client]) -> None:
    child, client = process
    fault = {"method": "POST", "path": "/v1/customers", "fault": "timeout_before_commit"}
    client.post("/_sandbox/faults", json=fault).raise_for_status()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.post, "/v1/customers")
        assert eventually(lambda: bool(client.get("/_sandbox/state").json()["requests"]))

        child.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        child.wait(LEAVES_WITHIN_S)

        assert time.monotonic() - asked < LEAVES_WITHIN_S
        assert isinstance(held.exception(), httpx.TransportError), "broken off, not answered"
    assert child.returncode in {0, -signal.SIGTERM}
