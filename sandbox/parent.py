"""Ending with `make`, which started us and may be killed or interrupted without a word to us."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

WATCH_S: Final = 0.5


async def left_by(parent: int | None) -> None:
    """Come back when the process `parent`, which started this one, has ended or is about to; never, if None.

    A SIGINT sent to make alone, not by Ctrl-C to the whole terminal, makes it wait for us without telling us.
    """
    while parent is None or not _is_leaving(parent):  # noqa: ASYNC110 - nobody would set an event
        await asyncio.sleep(WATCH_S)


def _is_leaving(parent: int) -> bool:
    return os.getppid() != parent or _is_handling_interrupt(parent)


def _is_handling_interrupt(pid: int) -> bool:
    """Whether SIGINT is blocked there, as it is while its handler runs. Only Linux tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    blocked = next((line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")), "0")
    return bool(int(blocked, 16) >> (signal.SIGINT - 1) & 1)
