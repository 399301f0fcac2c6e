"""Child processes that never outlive us: how one is started, its log, and a port that it may have."""

import functools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SHIM: Final = Path(__file__).with_name("shim.py")
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Program:
    """What to run, and how to tell that it works.

    `ready` may block for about a second; False says "not yet". Secrets go in `environment`, never in
    `command`, which anyone on the machine can read.
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def popen_arguments(self) -> tuple[list[str], dict[str, Any]]:
        """The arguments for `Popen` or `create_subprocess_exec`, but for stdout. Use it in the main thread.

        The child leads a session of its own: a Ctrl-C in the terminal must not stop MongoDB before the API.
        """
        pipe = _lifeline()
        shim = [sys.executable, "-IS", str(SHIM), str(os.getpid()), "-" if pipe is None else str(pipe)]
        return [*shim, *self.command], {
            "env": self.environment,
            "pass_fds": () if pipe is None else (pipe,),
            "start_new_session": True,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
        }

    def log_tail(self, lines: int = 12) -> str:
        """The last lines that it wrote, to show when it failed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@functools.cache
def _lifeline() -> int | None:
    """The reading end of a pipe that closes when this process ends; None on Linux, which needs none."""
    if sys.platform == "linux":
        return None
    reading, _writing = os.pipe()  # never closed by us; neither end is inherited unless it is passed on
    return reading


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def any_free_port() -> int:
    """A port that nobody has at the moment, chosen by the kernel."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
