"""Become a command that dies with its starter: `python -IS shim.py PARENT LIFELINE COMMAND...`.

PARENT is the starter's pid. On Linux the kernel keeps watch, and LIFELINE is "-". Elsewhere it is the reading
end of a pipe that only the starter holds open, and a watcher forked here waits for it to close. In both cases
the command takes over this process by exec, so that its pid is the one the starter knows. Run by its path and
importing nothing of ours, it costs milliseconds.
"""

import ctypes
import os
import select
import signal
import sys

PR_SET_PDEATHSIG = 1
WATCH_S = 1.0


def die_with_parent(parent: int) -> None:
    """Ask Linux for SIGKILL when `parent` ends. It fires when the *thread* that forked us ends, too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)


def watch(lifeline: int) -> None:
    """Fork a watcher that kills this process when `lifeline` closes, and that ends when this process does."""
    watched = os.getpid()
    if os.fork() != 0:
        return
    while os.getppid() == watched:
        if select.select([lifeline], [], [], WATCH_S)[0]:
            os.kill(watched, signal.SIGKILL)
            break
    os._exit(0)


if __name__ == "__main__":
    parent, lifeline, *command = sys.argv[1:]
    if lifeline == "-":
        die_with_parent(int(parent))
    else:
        watch(int(lifeline))
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point
