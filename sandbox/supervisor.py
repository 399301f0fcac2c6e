"""Keeps programs running: starts them, waits until they answer, restarts what died, stops them in order."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from sandbox.errors import RunError
from sandbox.processes import Program

READY_POLL_S: Final = 0.05
READY_S_MAX: Final = 60.0
DEATHS_BEFORE_READY_MAX: Final = 3
RESTART_DELAYS_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)  # the last one for good
STEADY_S: Final = 10.0
"""Who lived as long as this begins again at the first delay."""
STOP_S_MAX: Final = 15.0


class ProgramFailedError(RunError):
    """A program did not come up. The text ends with what it logged last."""


class Keeper:
    """One program, and the process that runs it at the moment."""

    def __init__(
        self, program: Program, *, started: Callable[[int], None], tell: Callable[[str], None]
    ) -> None:
        self.program = program
        self.deaths = 0
        self._started = started
        self._tell = tell
        self._process: Process | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run it, and come back when it answers. Raises ProgramFailedError."""
        self._task = asyncio.create_task(self._keep(await self._spawn()))
        deadline = time.monotonic() + READY_S_MAX
        while not await asyncio.to_thread(self.program.ready):
            if self.deaths >= DEATHS_BEFORE_READY_MAX or time.monotonic() > deadline:
                raise ProgramFailedError(f"{self.program.name} did not come up:\n{self.program.log_tail()}")
            await asyncio.sleep(READY_POLL_S)

    async def stop(self) -> None:
        """Ask it to end, and kill it and what it may have started when it does not."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S_MAX)
            except TimeoutError:
                self._tell(f"{self.program.name} did not stop in {STOP_S_MAX:.0f} s and was killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _spawn(self) -> Process:
        command, options = self.program.popen_arguments()
        with self.program.log.open("ab") as log:
            # The event loop runs in the main thread: a child dies with the thread that forked it.
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, **options)
        self._started(self._process.pid)
        return self._process

    async def _keep(self, process: Process) -> None:
        delays_s = _restart_delays_s()
        while True:
            born = time.monotonic()
            status = await process.wait()
            if self._stopping:
                return
            self.deaths += 1
            if time.monotonic() - born >= STEADY_S:
                delays_s = _restart_delays_s()
            process = await self._restart(_describe(status), delays_s)

    async def _restart(self, reason: str, delays_s: Iterator[float]) -> Process:
        while True:
            delay_s = next(delays_s)
            when = f"in {delay_s:g} s" if delay_s else "at once"
            self._tell(f"{self.program.name} ended ({reason}), is restarted {when}: {self.program.log}")
            await asyncio.sleep(delay_s)
            try:
                return await self._spawn()
            except OSError as error:  # the machine is out of memory, of processes, of disk
                reason = str(error)


def _restart_delays_s() -> Iterator[float]:
    yield from RESTART_DELAYS_S
    while True:
        yield RESTART_DELAYS_S[-1]


def _describe(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


class Supervisor:
    """All the programs of a run. `changed` is called whenever a pid is new."""

    def __init__(self, *, changed: Callable[[], None], tell: Callable[[str], None]) -> None:
        self.pids: dict[str, int] = {}
        self.waiting: set[str] = set()
        """Names of what was started and does not answer yet."""
        self._keepers: dict[str, Keeper] = {}
        self._changed = changed
        self._tell = tell

    async def start(self, *programs: Program) -> None:
        """Run them side by side, and come back when all of them answer. Raises ProgramFailedError."""
        await asyncio.gather(*(self._start(program) for program in programs))

    async def stop(self, order: Sequence[Collection[str]]) -> None:
        """Stop what runs, one group of names after the other, and everything else at last."""
        named = {name for group in order for name in group}
        for group in (*order, self._keepers.keys() - named):
            await asyncio.gather(*(self._keepers[name].stop() for name in group if name in self._keepers))

    async def _start(self, program: Program) -> None:
        def started(pid: int) -> None:
            self.pids[program.name] = pid
            self._changed()

        keeper = Keeper(program, started=started, tell=self._tell)
        self._keepers[program.name] = keeper
        self.waiting.add(program.name)
        await keeper.start()
        self.waiting.discard(program.name)
