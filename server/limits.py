"""Rate limits: exact sliding windows, which all processes share, in Redis.

A subject's window is a sorted set: each member, and when it was counted. One script looks and counts in one
step, by Redis' own clock; what was refused is not in it. Given no member, it looks and counts nothing. Where
Redis is away or hangs, `stand_in` judges.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast

from prometheus_client import Counter
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError

from domain.kernel.errors import RateLimited
from resolvers.context import Limits
from server.rates import Rate
from server.settings import Settings
from server.stand_in import StandIn

# A person is waiting: a Redis that needs longer is as good as away.
ASK_S_MAX: Final = 0.5
TURNS_MIN: Final = 50

Answer = TypeVar("Answer")

# Times are microseconds, which a Lua number holds exactly until the year 2255.
_SCRIPT: Final = """
local limit, window, member = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local uncounted, wait = {}, 0
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  if not (member and redis.call('ZSCORE', key, member)) then
    uncounted[#uncounted + 1] = key
    local full = redis.call('ZCARD', key) - limit
    if full >= 0 then
      -- More than full after the limit was lowered: then several have to leave.
      local last_to_leave = redis.call('ZRANGE', key, full, full, 'WITHSCORES')
      wait = math.max(wait, last_to_leave[2] + window - now)
    end
  end
end
if wait > 0 or not member then return wait end
for _, key in ipairs(uncounted) do
  redis.call('ZADD', key, now, member)
  redis.call('PEXPIRE', key, math.ceil(window / 1000))
end
return 0
"""
_SCRIPT_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_FALLBACK = Counter(
    "jobsphere_rate_limit_fallback", "Questions that the process judged alone, for Redis is away.", ["budget"]
)
_REFUSED = Counter("jobsphere_rate_limited", "Spends that were refused, by their budget.", ["budget"])


class RedisBudget:
    """`name` says what is limited: subjects of two budgets never meet."""

    def __init__(self, name: str, rate: Rate, redis: Redis) -> None:
        self._name = name
        self._rate = rate
        self._redis = redis
        self._stand_in = StandIn(rate)
        self._fallback = _FALLBACK.labels(budget=name)
        self._refused = _REFUSED.labels(budget=name)

    async def spend(self, *subjects: str, member: str) -> None:
        """Raises RateLimited."""
        if refusal := self._refusal(await self._wait_s(subjects, member)):
            self._refused.inc()
            raise refusal

    async def room(self, subject: str) -> RateLimited | None:
        return self._refusal(await self._wait_s([subject], None))

    def _refusal(self, wait_s: float) -> RateLimited | None:
        if wait_s <= 0:
            return None
        return RateLimited(
            # Rounded up, so that whoever waits so long is let in.
            retry_after_s=math.ceil(wait_s),
            limit=self._rate.limit,
            window_s=self._rate.window_s,
        )

    async def _wait_s(self, subjects: Sequence[str], member: str | None) -> float:
        """The same as the stand-in's, which judges when Redis does not."""
        try:
            return await _patiently(self._ask(subjects, member))
        except (RedisError, OSError):  # a TimeoutError is an OSError
            self._fallback.inc()
            return await self._stand_in.wait_s(subjects, member)

    async def _ask(self, subjects: Sequence[str], member: str | None) -> float:
        """Raises RedisError, OSError."""
        keys = [f"limit:{self._name}:{subject}" for subject in subjects]
        arguments = [str(self._rate.limit), str(self._rate.window_s * 1_000_000)]
        if member is not None:
            arguments.append(member)
        try:
            answer = self._redis.evalsha(_SCRIPT_SHA, len(keys), *keys, *arguments)
            return await cast("Awaitable[int]", answer) / 1_000_000
        except NoScriptError:  # a Redis that has just started; this teaches it the script
            answer = self._redis.eval(_SCRIPT, len(keys), *keys, *arguments)
            return await cast("Awaitable[int]", answer) / 1_000_000


async def _patiently(ask: Coroutine[Any, Any, Answer]) -> Answer:
    """What `ask` answers. Raises TimeoutError after ASK_S_MAX, in which this process looked TURNS_MIN times.

    With a hundred requests at once a process comes round to its sockets late, and a new connection needs a
    dozen rounds. By a plain timeout it would take that for Redis' fault, and count alone just when the limit
    matters.
    """
    asking = asyncio.ensure_future(ask)
    try:
        for _ in range(TURNS_MIN):
            if (await asyncio.wait([asking], timeout=ASK_S_MAX / TURNS_MIN))[0]:
                return asking.result()
    finally:
        asking.cancel()
        # Waited for: a connection that it gives back after the pool was closed would stay open.
        await asyncio.gather(asking, return_exceptions=True)
    raise TimeoutError


@asynccontextmanager
async def open_limits(settings: Settings) -> AsyncIterator[Limits]:
    """The budgets of this process. They connect when they are first spent, and again after Redis was away."""
    redis = Redis(connection_pool=ConnectionPool.from_url(settings.redis_url))
    try:
        yield Limits(
            deposits=RedisBudget("deposits", settings.rate_limit_deposits, redis),
            withdrawals=RedisBudget("withdrawals", settings.rate_limit_withdrawals, redis),
            connect_accounts=RedisBudget("connect_accounts", settings.rate_limit_connect_accounts, redis),
            sign_in=RedisBudget("sign_in", settings.rate_limit_sign_in, redis),
        )
    finally:
        await redis.aclose(close_connection_pool=True)
