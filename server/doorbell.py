"""The doorbell over arq: rings a worker through Redis, and says so quickly where Redis is away."""

import orjson
from arq.connections import ArqRedis, RedisSettings, create_pool
from prometheus_client import Counter
from redis.exceptions import RedisError

from domain.kernel.doorbell import DoorbellSilent

RING_S_MAX = 1
_SILENT = Counter("jobsphere_doorbell_silent", "Rings that nobody could hear, for Redis is away.")


class RedisDoorbell:
    """Connects at the first ring, and again after Redis was away."""

    def __init__(self, redis_url: str) -> None:
        settings = RedisSettings.from_dsn(redis_url)
        # The sweep is behind us: a caller must not wait for Redis to come back.
        settings.conn_retries = 0
        settings.conn_timeout = RING_S_MAX
        self._settings = settings
        self._pool: ArqRedis | None = None

    async def ring(self, job: str, subject: str) -> None:
        """No fixed job id: one that was killed would silence the next ring."""
        try:
            if self._pool is None:
                self._pool = await create_pool(self._settings, job_serializer=orjson.dumps)
            await self._pool.enqueue_job(job, subject)
        except (RedisError, OSError, TimeoutError) as error:
            _SILENT.inc()
            raise DoorbellSilent from error

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose(close_connection_pool=True)
