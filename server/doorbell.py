"""The doorbell over arq: rings a worker through Redis, and says so quickly where Redis is away."""

from typing import Final

import orjson
from arq.connections import ArqRedis
from prometheus_client import Counter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from domain.kernel.doorbell import DoorbellSilent

# The sweep is behind us: a caller must not wait for a Redis that is away, or hangs.
RING_S_MAX: Final = 1.0
_SILENT = Counter("jobsphere_doorbell_silent", "Rings that nobody could hear, for Redis is away.")


class RedisDoorbell:
    """Connects at the first ring, and again after Redis was away."""

    def __init__(self, redis_url: str) -> None:
        # One pool from the start, which connects by itself: rings that race share it.
        pool = ConnectionPool.from_url(
            redis_url, socket_connect_timeout=RING_S_MAX, socket_timeout=RING_S_MAX
        )
        self._redis = ArqRedis(pool, job_serializer=orjson.dumps)

    async def ring(self, job: str, subject: str) -> None:
        """No fixed job id: one that was killed would silence the next ring."""
        try:
            await self._redis.enqueue_job(job, subject)
        except (RedisError, OSError, TimeoutError) as error:
            _SILENT.inc()
            raise DoorbellSilent from error

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)
