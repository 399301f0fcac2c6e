"""Ports that two runs on one machine cannot both choose."""

import contextlib
import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from sandbox.errors import RunError
from sandbox.processes import LOOPBACK, answers

PORTS_TRIED_MAX: Final = 200


class NoFreePortError(RunError):
    """None of the ports from the preferred one on is free."""


class Ports(contextlib.ExitStack):
    """Hands out ports, and holds a lock on each until its block, or this process, ends.

    A port is promised seconds before its server binds it. Without a lock another run might take it first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.gettempdir()) / f"jobsphere-ports-{os.getuid()}"

    def take(self, preferred: int, host: str = LOOPBACK) -> int:
        """The first port from `preferred` on that nobody has or was promised."""
        for port in range(preferred, min(preferred + PORTS_TRIED_MAX, 65536)):
            if _bindable(host, port) and self._lock(port):
                return port
        raise NoFreePortError(f"no port is free from {preferred} on, in {PORTS_TRIED_MAX} tries")

    def _lock(self, port: int) -> bool:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = (self._folder / str(port)).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self.enter_context(lock)
        return True


def _bindable(host: str, port: int) -> bool:
    if answers(port):  # somebody listens on another address that covers ours
        return False
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a server that just stopped is no obstacle
        try:
            probe.bind(address)
        except OSError:
            return False
        return True
