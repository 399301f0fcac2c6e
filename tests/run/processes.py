"""Whether processes are gone, and waiting for what must come true."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable

import psutil

POLL_S = 0.02


def is_gone(pid: int) -> bool:
    """Ended, be it that nobody has asked for its exit status yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def all_gone(pids: Iterable[int], within_s: float = 10.0) -> bool:
    pids = list(pids)
    return eventually(lambda: all(is_gone(pid) for pid in pids), within_s)


def run_python(code: str) -> subprocess.Popen[str]:
    """A Python that runs `code`; its output is a pipe, and so is its input."""
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def next_number(process: subprocess.Popen[str]) -> int:
    """The number on the next line that it prints."""
    assert process.stdout is not None
    return int(process.stdout.readline())
