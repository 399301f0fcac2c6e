"""The product as processes of its own, and every line that they write."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.processes import Program

STOP_S_MAX = 10.0


class Process:
    """`jobsphere ...` in a folder of its own, so that no .env of a developer's is read."""

    def __init__(self, process: asyncio.subprocess.Process, folder: TemporaryDirectory[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._folder = folder
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *command: str, environment: Mapping[str, str]) -> "Process":
        folder = TemporaryDirectory(prefix="jobsphere-")
        jobsphere = str(Path(sys.executable).with_name("jobsphere"))
        program = Program(
            name=" ".join(command),
            command=[jobsphere, *command],
            log=Path(folder.name, "log"),
            ready=lambda: True,
            environment={**os.environ, **environment},
        )
        arguments, options = program.popen_arguments()
        process = await asyncio.create_subprocess_exec(
            *arguments, **options, cwd=folder.name, stdout=asyncio.subprocess.PIPE
        )
        return cls(process, folder)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def kill(self) -> None:
        """As the kernel would: nothing is finished, nobody is told."""
        self._process.kill()

    async def stop(self) -> int:
        """End it as a process manager would, and answer its exit status."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                status = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            status = await self._process.wait()
        await self._reading
        self._folder.cleanup()
        return status

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
