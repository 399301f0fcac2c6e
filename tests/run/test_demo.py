"""`jobsphere demo`: the life of a job's money, played on a run, and the README's picture of it."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sandbox.demo.story import ACTS
from sandbox.plan import JOBSPHERE, REPLACED_BY
from tests.run.test_up import running

PICTURE = Path(__file__).parents[2] / "docs/demo.svg"
NAMESPACE = "http://www.w3.org/2000/svg"
TITLES = [step.title for steps in ACTS.values() for step in steps]
STATES = [
    *("REQUIRES_PAYMENT", "FAILED", "REQUIRES_ACTION", "SUCCEEDED"),
    *("FUNDED", "ACCEPTED", "PARTIALLY_RELEASED", "RELEASED"),
    *("CONNECT_ACCOUNT_REQUIRED", "APPROVAL", "INCOMPLETE", "ACTIVE"),
    *("INSUFFICIENT_FUNDS", "AWAITING_APPROVAL", "PENDING", "PROCESSING", "IN_TRANSIT", "PAID", "SOUND"),
]
RUN = {
    "graphql": "http://127.0.0.1:9/graphql",  # the discard port: nobody is there
    "websocket": "ws://127.0.0.1:9/graphql",
    "stripe_api_base": "http://127.0.0.1:9",
    "stripe_secret_key": "sk_test_1",
    "stripe_publishable_key": "pk_test_1",
    "admin": {"email": "admin@example.com", "password": "wrong"},
}
pytestmark = pytest.mark.timeout(180)


def jobsphere(data: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in REPLACED_BY.values()}
    return subprocess.run(  # noqa: S603
        [*JOBSPHERE, *command],
        env=kept | {"DATA_DIR": str(data), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def write_run(data: Path, run: Mapping[str, Any]) -> None:
    data.mkdir(exist_ok=True)
    (data / "run.json").write_text(json.dumps(run))


def test_it_is_played_again_and_again_and_the_books_are_sound(tmp_path: Path) -> None:
    data, svg = tmp_path / "data", tmp_path / "demo.svg"
    with running(data) as run:
        for _ in range(2):
            played = jobsphere(data, "demo", "--svg", str(svg))
            assert (played.returncode, played.stderr) == (0, "")
            _is_the_whole_story(played.stdout)
        verified = jobsphere(data, "ledger", "verify")
        write_run(tmp_path / "locked", run.file | {"admin": RUN["admin"]})
        refused = jobsphere(tmp_path / "locked", "demo")
    assert verified.returncode == 0, verified.stdout
    _loads_nothing(svg)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Edith is refused: ")


def _is_the_whole_story(printed: str) -> None:
    assert re.findall(rf"^   ({'|'.join(STATES)})\b", printed, re.MULTILINE) == STATES
    [seconds] = re.findall(r"in (\d+\.\d) s", printed)
    assert float(seconds) < 30
    assert "Ada paid $1,575.00 = $1,200.00 at Grace's bank + $75.00 platform fee + $300.00" in printed


def _loads_nothing(svg: Path) -> str:
    """Well-formed, and all that it needs is in it. Answers what is to be read there."""
    text = svg.read_text()
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    assert re.findall(r"https?:[^\"')\s]*", text) == [NAMESPACE]
    assert not re.search(r"@import|@font-face|url\((?!#)|href", text)
    return "".join(root.itertext()).replace("\N{NO-BREAK SPACE}", " ")


def test_the_committed_picture_is_of_this_story() -> None:
    shown = _loads_nothing(PICTURE)
    missing = [title for title in TITLES if title not in shown]
    assert missing == [], "draw it anew: jobsphere demo --svg docs/demo.svg"


def test_without_a_run_it_says_how_to_start_one(tmp_path: Path) -> None:
    played = jobsphere(tmp_path, "demo")
    assert (played.returncode, played.stdout) == (2, "")
    assert "make run" in played.stderr


def test_a_run_that_was_killed_is_no_stage(tmp_path: Path) -> None:
    write_run(tmp_path, RUN)
    played = jobsphere(tmp_path, "demo")
    assert (played.returncode, played.stdout) == (2, "")
    assert "Nothing answers" in played.stderr


def test_stripe_itself_is_no_stage(tmp_path: Path) -> None:
    write_run(tmp_path, RUN | {"stripe_secret_key": None, "stripe_publishable_key": None})
    played = jobsphere(tmp_path, "demo")
    assert (played.returncode, played.stdout) == (2, "")
    assert "STRIPE_SECRET_KEY" in played.stderr


def test_a_dry_run_names_the_steps(tmp_path: Path) -> None:
    named = jobsphere(tmp_path, "demo", "--dry-run")
    assert (named.returncode, named.stderr) == (0, "")
    assert re.findall(r"^ *\d+ (.*)$", named.stdout, re.MULTILINE) == TITLES
