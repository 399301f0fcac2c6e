"""From hypothesis, which is synchronous, into the house, which lives in one event loop.

Hypothesis runs in a thread of its own and hands each step to the house's loop, which goes on all the time:
the worker works, and events arrive, between two steps and while one is under way. To give hypothesis a loop
of its own would not do: MongoDB's client, Beanie's classes and Stripe's client are bound to the house's.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

# A step that waits for a whole timeout of Stripe's, several times, stays far below.
STEP_S_MAX = 90.0

Answer = TypeVar("Answer")


class Bridge:
    """Called in hypothesis's thread, it answers what the coroutine does in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        async def bounded() -> Answer:
            async with asyncio.timeout(STEP_S_MAX):
                return await coroutine

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()
