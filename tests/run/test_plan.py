"""What a run decides before it starts anything."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.credentials import SETTINGS
from sandbox.files import InUseError, only_user
from sandbox.plan import make_plan
from sandbox.ports import Ports
from sandbox.processes import any_free_port
from sandbox.runfile import RunFile, content

REAL = {
    "MONGODB_URL": "mongodb://db.example.com/?replicaSet=rs0",
    "REDIS_URL": "redis://cache.example.com/0",
    "STRIPE_SECRET_KEY": "sk_test_real",
}


@pytest.fixture
def ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports


def test_a_port_that_is_taken_is_passed_over(ports: Ports) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert ports.take(taken) > taken


def test_a_port_is_promised_to_one_run_only(ports: Ports) -> None:
    port = ports.take(any_free_port())
    with Ports() as others:
        assert others.take(port) > port
    assert ports.take(port) != port


def test_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path, ports: Ports) -> None:
    first, second = make_plan({}, tmp_path, ports), make_plan({}, tmp_path, ports)
    assert first.passwords == second.passwords
    assert {name: first.environment[name] for name in SETTINGS} == {
        name: second.environment[name] for name in SETTINGS
    }
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.json")} == {0o600}


def test_the_environment_of_the_user_wins(tmp_path: Path, ports: Ports) -> None:
    given = {
        "JWT_KEYS": "mine:secret",
        "STRIPE_WEBHOOK_SECRETS": "whsec_new, whsec_old",
        "LOG_LEVEL": "DEBUG",
    }
    plan = make_plan(given, tmp_path, ports)
    assert {name: plan.environment[name] for name in given} == given
    assert content(plan, {})["stripe_webhook_secret"] == "whsec_new"


def test_the_real_things_take_the_place_of_the_embedded_ones(tmp_path: Path, ports: Ports) -> None:
    plan = make_plan(REAL, tmp_path, ports)
    run = content(plan, {"api": 1, "worker": 2})
    assert set(plan.addresses.ports) == {"api"}
    assert {name: plan.environment[name] for name in REAL} == REAL
    assert run["mongodb_url"] == REAL["MONGODB_URL"]
    assert run["stripe_api_base"] == "https://api.stripe.com"
    assert [value for name, value in run.items() if name.endswith(("_key", "_secret"))] == [None] * 4
    assert run["pids"] == {"api": 1, "worker": 2, "sandbox": None, "mongodb": None, "redis": None}


def test_only_what_listens_for_everyone_opens_the_sandbox_to_everyone(tmp_path: Path, ports: Ports) -> None:
    assert make_plan({"HOST": "127.0.0.1"}, tmp_path, ports).addresses.sandbox_host == "127.0.0.1"
    everywhere = make_plan({"HOST": "0.0.0.0"}, tmp_path, ports)  # noqa: S104
    assert everywhere.addresses.sandbox_host == "0.0.0.0"  # noqa: S104
    assert everywhere.environment["STRIPE_API_BASE"].startswith("http://127.0.0.1:")


def test_the_run_file_is_replaced_as_a_whole(tmp_path: Path, ports: Ports) -> None:
    plan, file = make_plan({}, tmp_path, ports), RunFile(tmp_path)
    for pid in (1, 2):
        file.write(plan, {"api": pid})
        assert json.loads(file.path.read_text())["pids"]["api"] == pid
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.remove()
    assert not list(tmp_path.glob("*run.json*"))


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    with only_user(tmp_path), pytest.raises(InUseError, match="in use by a run"), only_user(tmp_path):
        pass
    with only_user(tmp_path):
        pass
