"""Small private files: written whole or not at all, and read by nobody else."""

import contextlib
import fcntl
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.errors import RunError


class InUseError(RunError):
    """Another run works in this folder."""


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Put `content` there as JSON."""
    _write(path, json.dumps(content, indent=2) + "\n")


def write_environment(path: Path, settings: Mapping[str, str]) -> None:
    """Put `settings` there in the form that a shell and pydantic-settings read."""
    _write(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())))


def _write(path: Path, text: str) -> None:
    """Mode 0600. A reader sees the old file or the new one, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)


def keep(path: Path, recipes: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    """What is kept in `path`. What is missing is made by its recipe, once, and kept from then on."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: recipe() for name, recipe in recipes.items() if name not in kept}
    if missing:
        write_private(path, kept | missing)
    return kept | missing


@contextlib.contextmanager
def only_user(folder: Path) -> Iterator[None]:
    """Hold `folder` for this run alone, until the block or the process ends. Raises InUseError."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise InUseError(
                f"{folder} is in use by a run that is up already (process {holder}).\n"
                "Stop that one first, or set DATA_DIR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
