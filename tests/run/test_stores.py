"""The embedded stores keep their data, wherever they listen; and what cannot run or serve says so."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from sandbox import binaries, outside, stores
from sandbox.binaries import MONGOD, StoreUnavailableError
from sandbox.outside import UnfitStoreError
from sandbox.processes import answers, any_free_port
from sandbox.stores import start_mongod, start_valkey, throwaway_folder
from server.settings import Settings
from tests.run.processes import eventually, is_gone


def _client(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=5000)


def test_mongod_finds_its_data_on_another_port(tmp_path: Path) -> None:
    with start_mongod(tmp_path / "mongodb") as first, _client(first.url) as client:
        client.shop.people.insert_one({"_id": "ada"})
    assert is_gone(first.pid)

    with start_mongod(tmp_path / "mongodb") as second, _client(second.url) as client:
        assert second.port != first.port
        with client.start_session() as session, session.start_transaction():  # only a replica set has them
            client.shop.people.insert_one({"_id": "grace"}, session=session)
        assert client.shop.people.count_documents({}) == 2


def test_mongod_survives_a_kill(tmp_path: Path) -> None:
    with start_mongod(tmp_path / "mongodb") as first, _client(first.url) as client:
        client.shop.people.insert_one({"_id": "ada"})
        first.process.kill()
    with start_mongod(tmp_path / "mongodb", first.port) as second, _client(second.url) as client:
        assert client.shop.people.count_documents({}) == 1


def test_what_a_killed_process_had_begun_is_let_go_of_within_its_lease(tmp_path: Path) -> None:
    """MongoDB's own limit is a minute, in which nobody else can write the wallet."""
    limit = "transactionLifetimeLimitSeconds"
    with start_mongod(tmp_path / "mongodb") as store, _client(store.url) as client:
        kept_s = client.admin.command({"getParameter": 1, limit: 1})[limit]
    reaped_s = kept_s * 1.5  # it looks every half of that
    assert reaped_s < Settings.model_fields["lease_seconds"].default


def test_valkey_finds_its_data(tmp_path: Path) -> None:
    for expected in (None, b"ada"):
        with start_valkey(tmp_path / "redis") as store:
            redis = Redis.from_url(store.url)
            assert redis.get("name") == expected
            redis.set("name", "ada")
            redis.close()


def test_a_mongodb_that_is_no_replica_set_is_refused(tmp_path: Path) -> None:
    port = any_free_port()
    program = stores.mongod_program(tmp_path / "mongodb", port)
    alone = [part for part in program.command if part not in ("--replSet", stores.REPLICA_SET)]
    command, options = replace(program, command=alone).popen_arguments()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **options) as mongod:  # noqa: S603
        assert eventually(lambda: answers(port))
        with pytest.raises(UnfitStoreError, match="not a replica set"):
            outside.check_mongodb(f"mongodb://127.0.0.1:{port}")
        mongod.kill()


def test_stores_that_are_away_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "ANSWER_S_MAX", 0.2)
    port = any_free_port()
    with pytest.raises(UnfitStoreError, match="MONGODB_URL"):
        outside.check_mongodb(f"mongodb://127.0.0.1:{port}")
    with pytest.raises(UnfitStoreError, match="REDIS_URL"):
        outside.check_redis(f"redis://127.0.0.1:{port}")


def test_a_program_that_cannot_run_here_names_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "mongod"
    foreign.write_bytes(b"\x7fELF of another machine")
    foreign.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreUnavailableError, match=r"(?s)MongoDB cannot be started.*mongod.*MONGODB_URL"):
        binaries.find(replace(MONGOD, distribution="not-installed-here"), tmp_path / "bin")


def test_a_program_that_lost_its_executable_bit_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "read-only"
    shutil.copyfile("/bin/true", packaged)
    packaged.chmod(0o400)
    monkeypatch.setattr(binaries, "_packaged", lambda _source: packaged)
    found = binaries.find(MONGOD, tmp_path / "bin")
    assert found.parent == tmp_path / "bin"
    assert packaged.stat().st_mode & 0o777 == 0o400


def test_what_killed_tests_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MEMORY_FOLDER", tmp_path / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    orphan, foreign = tmp_path / f"{stores.THROWAWAY_PREFIX}orphan", tmp_path / "foreign"
    for folder in (orphan, foreign):
        folder.mkdir()
        os.utime(folder, (0, 0))
    with throwaway_folder() as folder:
        os.utime(folder, (0, 0))
        with throwaway_folder():
            assert set(tmp_path.iterdir()) >= {folder, foreign}
            assert not orphan.exists()
    assert list(tmp_path.iterdir()) == [foreign]
