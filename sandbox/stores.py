"""The real MongoDB (a replica set of one node) and the real Valkey, as child processes of ours.

`mongod_program` and `valkey_program` say what to run, for a supervisor; `start_mongod` and `start_valkey` run
it and wait until it answers, for tests.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sandbox import binaries
from sandbox.errors import RunError
from sandbox.files import InUseError, only_user
from sandbox.processes import LOOPBACK, Program, answers, any_free_port

REPLICA_SET: Final = "jobsphere"
START_S_MAX: Final = 30.0
STOP_S_MAX: Final = 10.0
POLL_S: Final = 0.02
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - only tests' data, in a folder made by tempfile
MEMORY_BYTES_MIN: Final = 4 * 1024**3
THROWAWAY_PREFIX: Final = "jobsphere-throwaway-"
ORPHAN_S_MIN: Final = 60.0


class StoreFailedError(RunError):
    """A store did not come up. The text ends with what it logged last."""


def mongodb_url(port: int) -> str:
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


def redis_url(port: int) -> str:
    return f"redis://{LOOPBACK}:{port}/0"


def mongod_program(
    folder: Path,
    port: int,
    *,
    log: Path | None = None,
    set_parameters: Mapping[str, str] | None = None,
    cache_gb: float = 0.25,
    journal_ms: int | None = None,
) -> Program:
    """A journaled mongod over `folder`, which may have been used on another port before.

    `journal_ms`: how long what nobody waits for may stay out of the journal, and linearizable reads wait.
    """
    folder = _made(folder)
    parameters = {
        "diagnosticDataCollectionEnabled": "false",
        "shutdownTimeoutMillisForSignaledShutdown": "100",  # there is no secondary to wait for
        # What a killed process had begun keeps others from writing the same wallet for so long.
        "transactionLifetimeLimitSeconds": "5",
        **(set_parameters or {}),
    }
    command = [
        *(str(binaries.find(binaries.MONGOD, folder.parent / "bin")), "--dbpath", str(folder)),
        *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket", "--replSet", REPLICA_SET),
        *("--wiredTigerCacheSizeGB", str(cache_gb), "--oplogSize", "512", "--quiet"),
    ]
    if journal_ms is not None:
        command += ["--journalCommitInterval", str(journal_ms)]
    for name, setting in parameters.items():
        command += ["--setParameter", f"{name}={setting}"]
    return Program("mongodb", command, log or folder / "mongod.log", lambda: _is_primary(port))


def _is_primary(port: int) -> bool:
    if not answers(port):
        return False  # cheaper than to let the driver find out, which looks twice a second
    from sandbox.replica_set import become_primary  # noqa: PLC0415 - the driver loads while mongod starts

    return become_primary(REPLICA_SET, f"{LOOPBACK}:{port}")


def valkey_program(folder: Path, port: int, *, log: Path | None = None, durable: bool = True) -> Program:
    """A Valkey over `folder`: every write is in its append-only file within a second, if `durable`."""
    folder = _made(folder)
    command = (
        *(str(binaries.find(binaries.VALKEY, folder.parent / "bin")), "--dir", str(folder)),
        *("--bind", LOOPBACK, "--port", str(port), "--daemonize", "no", "--save", ""),
        *("--appendonly", "yes" if durable else "no", "--maxmemory-policy", "noeviction"),
    )
    return Program("redis", command, log or folder / "valkey.log", lambda: _pongs(port))


def _pongs(port: int) -> bool:
    """Whether it takes commands; it listens before it has read its file."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=0.2) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


def _made(folder: Path) -> Path:
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@dataclass
class Store:
    """A store that runs. A context manager that stops it at the end."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """Stop it and wait until it is gone. Safe to call twice."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_mongod(
    folder: Path,
    port: int | None = None,
    *,
    set_parameters: Mapping[str, str] | None = None,
    cache_gb: float = 0.25,
    throwaway: bool = False,
) -> Store:
    """Run mongod and wait until it is a primary, in 1 s or so. `throwaway` data are not kept at the stop.

    Raises StoreUnavailableError where it cannot run and StoreFailedError where it does not come up.
    """
    port = port or any_free_port()
    program = mongod_program(
        folder, port, set_parameters=set_parameters, cache_gb=cache_gb, journal_ms=10 if throwaway else None
    )
    return Store(mongodb_url(port), port, _started(program), _stop_signal(throwaway))


def start_valkey(folder: Path, port: int | None = None, *, throwaway: bool = False) -> Store:
    """Run Valkey and wait until it answers. `throwaway` data stay in memory. Raises like `start_mongod`."""
    port = port or any_free_port()
    program = valkey_program(folder, port, durable=not throwaway)
    return Store(redis_url(port), port, _started(program), _stop_signal(throwaway))


def _stop_signal(throwaway: bool) -> signal.Signals:
    return signal.SIGKILL if throwaway else signal.SIGTERM  # mongod's clean stop takes a second


def _started(program: Program) -> subprocess.Popen[bytes]:
    command, options = program.popen_arguments()
    with program.log.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, **options)  # noqa: S603
    deadline = time.monotonic() + START_S_MAX
    while not program.ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise StoreFailedError(f"{program.name} did not come up:\n{program.log_tail()}")
        time.sleep(POLL_S)
    return process


@contextlib.contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A folder for tests' data, removed at the end; in memory where there is room: fsync is free there."""
    roomy = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_BYTES_MIN
    place = MEMORY_FOLDER if roomy else Path(tempfile.gettempdir())
    _remove_orphans(place)
    folder = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX, dir=place))
    try:
        with only_user(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(place: Path) -> None:
    """Tests that were killed could not tidy up, and memory is dear."""
    for folder in place.glob(f"{THROWAWAY_PREFIX}*"):
        # Nobody holds its lock any more; one that is new may be about to be locked.
        with contextlib.suppress(InUseError, OSError):
            if time.time() - folder.stat().st_mtime > ORPHAN_S_MIN:
                with only_user(folder):
                    shutil.rmtree(folder, ignore_errors=True)
