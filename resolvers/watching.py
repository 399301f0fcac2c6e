"""Following one thing: its present state at once, then each change, the last one never missed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from domain.changes import Topic
from resolvers.context import Context

State = TypeVar("State")


async def follow(
    context: Context,
    topics: tuple[Topic, ...],
    read: Callable[[], Awaitable[State]],
    *,
    is_last: Callable[[State], bool] = lambda _state: False,
) -> AsyncIterator[State]:
    """States of what `read` answers, each different from the one before, until one is the last.

    The watch is registered before the first read, so that no change can fall between them.
    """
    with context.changes.watch(*topics) as watch:
        state = await read()
        yield state
        if is_last(state):
            return
        async for _ in watch:
            context.forget()
            before, state = state, await read()
            if state != before:
                yield state
            if is_last(state):
                return
