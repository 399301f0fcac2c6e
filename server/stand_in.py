"""Rate limits while Redis is away: each process counts for itself, in its own memory."""

import asyncio
import time
from collections.abc import Sequence

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from server.rates import Rate


class StandIn:
    """A sliding window for each subject. It knows nothing of what Redis counted, nor Redis of its counts."""

    def __init__(self, rate: Rate) -> None:
        self._rate = RateLimitItemPerSecond(rate.limit, rate.window_s)
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        # (subject, member) -> when it leaves its window; the first to leave stands first.
        self._members: dict[tuple[str, str], float] = {}
        self._lock = asyncio.Lock()

    async def wait_s(self, subjects: Sequence[str], member: str | None) -> float:
        """Seconds until `member` may be counted against all of `subjects`; 0 when it was, now or before.

        None is a new member, for which is only looked: it is not counted.
        """
        async with self._lock:  # what is seen to be free is still free when it is taken
            self._forget()
            uncounted = [subject for subject in subjects if (subject, member) not in self._members]
            wait_s = max([await self._until_free_s(subject) for subject in uncounted], default=0.0)
            if wait_s == 0 and member is not None:
                for subject in uncounted:
                    await self._windows.hit(self._rate, subject)
                    self._members[subject, member] = time.monotonic() + self._rate.get_expiry()
            return wait_s

    async def _until_free_s(self, subject: str) -> float:
        window = await self._windows.get_window_stats(self._rate, subject)
        return 0.0 if window.remaining > 0 else max(window.reset_time - time.time(), 0.0)

    def _forget(self) -> None:
        now = time.monotonic()
        while self._members and next(iter(self._members.values())) <= now:
            del self._members[next(iter(self._members))]
