"""The worker process: arq for what the bell rings for; the sweep and the chores, which need nobody to ring.

arq's loop ends when Redis goes away; it is built anew until Redis is back, and the sweep goes on meanwhile.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import structlog
from arq.connections import ArqRedis
from arq.worker import Worker
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from domain.runtime import Runtime
from jobs import FUNCTIONS, Chores, Sweep
from server.runtime import open_runtime
from server.settings import Settings

# Above it a killed worker's job would stay marked as running for longer than the sweep needs to do it.
JOB_S_MAX: Final = 30
JOBS_AT_ONCE: Final = 20
DRAIN_S_MAX: Final = 10.0
RESTART_S: Final = 1.0
_log = structlog.get_logger("worker")


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; jobs under way are finished, or found again by the sweep."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with open_runtime(settings) as runtime:
        await work(runtime, settings, stop)


async def work(runtime: Runtime, settings: Settings, stop: asyncio.Event) -> None:
    """All loops until `stop` is set."""
    sweep = Sweep(runtime, interval_s=settings.sweep_interval_seconds)
    chores = Chores(runtime, interval_s=settings.sweep_interval_seconds)
    tasks = [
        asyncio.create_task(sweep.run(), name="sweep"),
        asyncio.create_task(chores.run(), name="chores"),
        asyncio.create_task(_listen(runtime, settings, stop), name="listen"),
    ]
    _log.info("worker started")
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    _log.info("worker stopped")


async def _listen(runtime: Runtime, settings: Settings, stop: asyncio.Event) -> None:
    """arq's loop, around and around."""
    # Asked each time: a cancellation that comes while arq is being closed is lost in there.
    while not stop.is_set():
        async with _redis(settings) as redis:
            worker = _arq_worker(runtime, redis)
            try:
                await worker.async_run()
            except Exception as error:
                _log.warning("arq ended", error=type(error).__name__)
            finally:
                await _close(worker)
        await asyncio.sleep(RESTART_S)


async def _close(worker: Worker) -> None:
    """Let jobs under way finish for a while, then go; what did not finish, the sweep finds again."""
    if worker.tasks:
        await asyncio.wait(worker.tasks.values(), timeout=DRAIN_S_MAX)
    # Jobs that arq cancels end as cancelled here, and a Redis that is not there hears no good-bye.
    with contextlib.suppress(Exception, asyncio.CancelledError):
        await worker.close()


@contextlib.asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[ArqRedis]:
    """arq's pool, ours to close: its own is lost when it is stopped while it connects."""
    pool = ConnectionPool.from_url(
        settings.redis_url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 5),
        # OSError is what a refused connection is; without it arq's loop ends at the first.
        retry_on_error=[ConnectionError, TimeoutError, OSError],
    )
    redis = ArqRedis(pool, job_serializer=_serialized, job_deserializer=orjson.loads)
    try:
        yield redis
    finally:
        with contextlib.suppress(Exception):
            await redis.aclose(close_connection_pool=True)


def _arq_worker(runtime: Runtime, redis: ArqRedis) -> Worker:
    context: dict[str, Any] = {"runtime": runtime}
    return Worker(
        functions=FUNCTIONS,
        redis_pool=redis,
        ctx=context,
        job_serializer=_serialized,
        job_deserializer=orjson.loads,
        keep_result=0,
        job_timeout=JOB_S_MAX,
        max_jobs=JOBS_AT_ONCE,
        max_tries=1,
        poll_delay=0.05,
        handle_signals=False,
    )


def _serialized(job: Any) -> bytes:
    """Also of an error, which arq says of a job that is forgotten, or was cut off; nobody reads it."""
    return orjson.dumps(job, default=repr)
