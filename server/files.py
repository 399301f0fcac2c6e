"""Files that a command writes: whole or not at all, and for their owner's eyes alone."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write `content` with mode 0600. Raises FileExistsError unless `replace`, OSError where it cannot be.

    Whoever looks finds nothing, or what was there before, or all of it.
    """
    # Its mode is 0600 from the beginning on.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)  # noqa: PTH105 - beside os.link, its twin
        else:
            # Unlike a rename, it does not take the place of what somebody else has just written.
            os.link(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
