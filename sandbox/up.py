"""`jobsphere up`: everything on one machine, ready for a first query, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from sandbox import preparation, programs
from sandbox.errors import RunError
from sandbox.files import only_user
from sandbox.parent import left_by
from sandbox.plan import Plan, make_plan, make_room
from sandbox.ports import Ports
from sandbox.report import Reporter
from sandbox.runfile import RunFile, content
from sandbox.supervisor import Supervisor

STOP_ORDER: Final = (("api", "worker"), ("sandbox",), ("mongodb", "redis"))


def user_environment() -> dict[str, str]:
    """The environment over .env. A name that is set to nothing counts as not set."""
    return {name: value for name, value in ({**dotenv_values(".env"), **os.environ}).items() if value}


def up(given: Mapping[str, str], *, parent: int | None = None) -> int:
    """Run everything until SIGINT, SIGTERM or the end of the process `parent`. Answers the exit status."""
    reporter = Reporter()
    data = Path(given.get("DATA_DIR", ".data")).resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with only_user(data), Ports() as ports:
            make_room(data)
            run = Run(make_plan(given, data, ports), reporter)
            asyncio.run(run.until_stopped(parent))
    except RunError as error:
        reporter.say(str(error))
        return 1
    return 0


class Run:
    """One run of everything."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self._plan = plan
        self._reporter = reporter
        self._file = RunFile(plan.data)
        self._complete = False
        self._supervisor = Supervisor(changed=self._pid_changed, tell=reporter.say)

    async def until_stopped(self, parent: int | None) -> None:
        """Start everything, keep it running, stop everything. Raises RunError when something cannot start."""
        self._file.remove()  # whoever wrote it was killed
        try:
            await _first_of(_signalled(), left_by(parent), self._start_and_stay())
        finally:
            self._complete = False
            self._file.remove()
            await self._supervisor.stop(STOP_ORDER)

    async def _start_and_stay(self) -> None:
        plan, start, waiting = self._plan, self._supervisor.start, self._supervisor.waiting
        async with self._reporter.narrating(waiting):
            await asyncio.to_thread(_check_outside_stores, plan)
            importing = asyncio.create_task(preparation.warm_up())
            await asyncio.gather(start(*programs.stores(plan)), start(*programs.stripe(plan)))
            waiting.add("people")
            await importing
            await preparation.prepare(plan)
            waiting.discard("people")
            await start(*programs.product(plan))
        self._complete = True
        self._pid_changed()
        self._reporter.welcome(plan, content(plan, self._supervisor.pids))
        await asyncio.Event().wait()  # until told to stop

    def _pid_changed(self) -> None:
        if not self._complete:
            return
        try:
            self._file.write(self._plan, self._supervisor.pids)
        except OSError as error:  # a full disk; what runs goes on
            self._reporter.say(f"{self._file.path} could not be written: {error}")


def _check_outside_stores(plan: Plan) -> None:
    if plan.embeds("mongodb") and plan.embeds("redis"):
        return
    from sandbox import outside  # noqa: PLC0415 - the drivers load slowly, and most runs bring no stores

    if not plan.embeds("mongodb"):
        outside.check_mongodb(plan.environment["MONGODB_URL"])
    if not plan.embeds("redis"):
        outside.check_redis(plan.environment["REDIS_URL"])


async def _signalled() -> None:
    """Come back at SIGINT, SIGTERM or a closed terminal. A second signal changes nothing.

    make passes on a SIGTERM that the whole process group got already: haste at the second would be wrong.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


async def _first_of(*works: Coroutine[None, None, None]) -> None:
    """Come back when one of them does, and drop the others. Raises what that one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
