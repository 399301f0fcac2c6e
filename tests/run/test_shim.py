"""No child outlives who started it, however that one ended."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from sandbox.processes import SHIM
from tests.run.processes import all_gone, eventually, is_gone, next_number, run_python

STARTER = """
import subprocess, sys
from pathlib import Path
from sandbox.processes import Program
program = Program("child", ("sleep", "60"), Path("unused"), bool)
command, options = program.popen_arguments()
print(subprocess.Popen(command, **options).pid, flush=True)
sys.stdin.read()
"""
LEFT = "import asyncio, sys; from sandbox.parent import left_by; asyncio.run(left_by(int(sys.argv[1])))"
MAKE = f"""
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {LEFT!r}, str(os.getpid())])
signal.signal(signal.SIGINT, lambda *_: WHAT)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_dies_with_its_starter() -> None:
    with run_python(STARTER) as starter:
        child = next_number(starter)
        assert not is_gone(child)
        starter.kill()
    assert all_gone([child])


def test_a_child_leads_its_own_session() -> None:
    with run_python(STARTER) as starter:
        child = next_number(starter)
        assert eventually(lambda: os.getsid(child) == child)
        starter.kill()


def test_without_a_starter_nothing_begins() -> None:
    command = [sys.executable, "-IS", str(SHIM), "1", "-", "echo", "ran"]
    nobody = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
    assert (nobody.returncode, nobody.stdout) == (1, b"")


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    """The pipe that stands in for the kernel where it does not tell, as on macOS."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def _watched(reading: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-IS", str(SHIM), str(os.getpid()), str(reading), "sleep", "60"]
    child = subprocess.Popen(command, pass_fds=(reading,))  # noqa: S603
    assert eventually(lambda: psutil.Process(child.pid).name() == "sleep")
    return child


def test_a_closed_lifeline_ends_the_child(lifeline: tuple[int, int]) -> None:
    with _watched(lifeline[0]) as child:
        os.close(lifeline[1])
        assert child.wait(5) == -signal.SIGKILL


def test_the_watcher_ends_with_the_child(lifeline: tuple[int, int]) -> None:
    with _watched(lifeline[0]) as child:
        watchers = [process.pid for process in psutil.Process(child.pid).children()]
        child.kill()
    assert len(watchers) == 1
    assert all_gone(watchers)


@pytest.mark.parametrize(
    ("how", "what_make_does"),
    [
        (signal.SIGKILL, "None"),
        # It blocks SIGINT, and waits for its children without a word to them.
        (signal.SIGINT, "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])"),
    ],
)
def test_what_make_started_ends_with_it(how: signal.Signals, what_make_does: str) -> None:
    with run_python(MAKE.replace("WHAT", what_make_does)) as make:
        child = next_number(make)
        make.send_signal(how)
        ended = all_gone([child])
        make.kill()
    assert ended
