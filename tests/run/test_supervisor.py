"""The supervisor keeps its programs alive, in the right order, and says when it cannot."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox import supervisor as module
from sandbox.supervisor import ProgramFailedError, Supervisor
from tests.run.conftest import Dummy
from tests.run.processes import all_gone, eventually, is_gone


@dataclass
class Watched:
    """A supervisor, what it said, and the pids that it had each time one changed."""

    said: list[str] = field(default_factory=list)
    pids: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(changed=self._changed, tell=self.said.append)

    def _changed(self) -> None:
        self.pids.append(dict(self.supervisor.pids))

    async def pid_after(self, name: str, pid: int) -> tuple[int, float]:
        """The next pid of a program, and the seconds until it came."""
        begun = time.monotonic()
        assert await asyncio.to_thread(eventually, lambda: self.supervisor.pids[name] != pid)
        return self.supervisor.pids[name], time.monotonic() - begun


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    yield watched
    await watched.supervisor.stop(())


async def test_restarts_at_once_and_then_with_a_growing_delay(watched: Watched, dummy: Dummy) -> None:
    await watched.supervisor.start(dummy("api"))
    first = watched.supervisor.pids["api"]

    os.kill(first, signal.SIGKILL)
    second, first_delay_s = await watched.pid_after("api", first)
    os.kill(second, signal.SIGKILL)
    third, second_delay_s = await watched.pid_after("api", second)

    assert first_delay_s < 0.3
    assert 0.4 < second_delay_s < 1.5
    assert [pids["api"] for pids in watched.pids] == [first, second, third]
    assert "SIGKILL" in watched.said[0]
    assert max(module.RESTART_DELAYS_S) <= 5


async def test_a_steady_program_is_restarted_at_once_again(
    watched: Watched, dummy: Dummy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEADY_S", 0.0)
    await watched.supervisor.start(dummy("api"))
    for _ in range(3):
        pid = watched.supervisor.pids["api"]
        os.kill(pid, signal.SIGKILL)
        assert (await watched.pid_after("api", pid))[1] < 0.3


async def test_stops_group_after_group(watched: Watched, dummy: Dummy, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    for name in ("store", "sandbox", "api", "worker"):
        await watched.supervisor.start(dummy(name, _writes_when_stopped(name, diary)))

    await watched.supervisor.stop((("api", "worker"), ("sandbox",), ("store",)))

    written = diary.read_text().split()
    assert set(written[:2]) == {"api", "worker"}
    assert written[2:] == ["sandbox", "store"]
    assert all_gone(watched.supervisor.pids.values())
    assert not watched.said


def _writes_when_stopped(name: str, diary: Path) -> str:
    return f"""
def stop(*_):
    time.sleep(0.2)
    with open({str(diary)!r}, "a") as diary:
        diary.write({name + " "!r})
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)"""


async def test_kills_who_does_not_stop(
    watched: Watched, dummy: Dummy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_S_MAX", 0.3)
    await watched.supervisor.start(dummy("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    await watched.supervisor.stop(())
    assert is_gone(watched.supervisor.pids["deaf"])
    assert "was killed" in watched.said[0]


async def test_says_what_a_program_said_that_cannot_start(watched: Watched, dummy: Dummy) -> None:
    with pytest.raises(ProgramFailedError, match=r"(?s)api did not come up:.*no such setting"):
        await watched.supervisor.start(dummy("api", "sys.exit('no such setting')"))


async def test_stops_what_is_still_starting(watched: Watched, dummy: Dummy) -> None:
    starting = asyncio.create_task(watched.supervisor.start(dummy("slow", "time.sleep(60)")))
    assert await asyncio.to_thread(eventually, lambda: bool(watched.pids))
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    await watched.supervisor.stop(())

    assert is_gone(watched.supervisor.pids["slow"])
