"""`jobsphere up` as a person sees it: everything answers, survives what dies, and leaves nothing behind."""

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sandbox.plan import JOBSPHERE, REPLACED_BY
from tests.run.processes import all_gone, eventually, is_gone

START_S_MAX = 60.0
SIGN_IN = """mutation ($input: SignInInput!) {
  signIn(input: $input) { session { user { id roles } } userErrors { code } }
}"""
pytestmark = pytest.mark.timeout(180)


class Running:
    """A run over `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        kept = {name: value for name, value in os.environ.items() if name not in REPLACED_BY.values()}
        self.process = subprocess.Popen(  # noqa: S603
            [*JOBSPHERE, "up"],
            env=kept | {"DATA_DIR": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def file(self) -> dict[str, Any]:
        run: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return run

    @property
    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = self.file["pids"]
        return pids

    def is_complete(self) -> bool:
        """Whether it is up, or has given up. A run that was killed left its file behind."""
        if (self.data / "run.json").exists():
            return not any(is_gone(pid) for pid in self.pids.values())
        return self.process.poll() is not None

    def is_ready(self) -> bool:
        try:
            return httpx.get(self.file["graphql"].replace("graphql", "health/ready")).is_success
        except httpx.HTTPError:
            return False

    def sign_in(self) -> dict[str, Any]:
        """Who the first administrator is, by the password in run.json."""
        run = self.file
        asked = {"query": SIGN_IN, "variables": {"input": run["admin"]}}
        answer = httpx.post(run["graphql"], json=asked).json()
        user: dict[str, Any] = answer["data"]["signIn"]["session"]["user"]
        return user

    def output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()


@contextmanager
def running(data: Path) -> Iterator[Running]:
    run = Running(data)
    try:
        assert eventually(run.is_complete, START_S_MAX)
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


def test_a_run_from_start_to_end(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        admin = run.sign_in()
        assert admin["roles"] == ["ADMIN"]
        assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
        assert all(psutil.pid_exists(pid) for pid in run.pids.values())
        _a_second_run_over_the_same_data_is_refused(tmp_path)
        _what_is_killed_comes_back(run)
        pids = run.pids.values()
        run.process.kill()  # no chance to tidy up
    assert all_gone(pids)

    with running(tmp_path) as run:
        assert run.sign_in() == admin
        pids = run.pids.values()
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 0
        printed = run.output()
    assert all_gone(pids, within_s=0)
    assert not (tmp_path / "run.json").exists()
    assert "GraphiQL" in printed
    assert "signIn(" in printed
    assert "killed" not in printed


def _a_second_run_over_the_same_data_is_refused(data: Path) -> None:
    second = Running(data)
    printed, _ = second.process.communicate(timeout=30)
    assert second.process.returncode == 1
    assert "in use by a run" in printed


def _what_is_killed_comes_back(run: Running) -> None:
    before = run.pids
    for name in ("api", "mongodb"):
        os.kill(before[name], signal.SIGKILL)
    assert eventually(lambda: all(run.pids[name] != before[name] for name in ("api", "mongodb")), 3)
    assert run.pids["worker"] == before["worker"]
    assert eventually(run.is_ready, 15)
    assert run.sign_in()


def test_a_start_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURRENCIES", "XXX")
    with running(tmp_path) as run:
        printed = run.output()
        assert run.process.wait(30) == 1
    assert "CURRENCIES" in printed
