"""Server-sent events end when they must: with the token that opened them, and with the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from server.wire.errors import UNAUTHENTICATED

TOKEN_EXPIRED: Final = "The access token has expired."  # noqa: S105 - a sentence


def seconds_until(instant: datetime) -> float:
    return max((instant - datetime.now(UTC)).total_seconds(), 0.0)


async def bounded(
    results: AsyncIterator[Any], *, expires_at: datetime | None, closing: asyncio.Event
) -> AsyncIterator[Any]:
    """`results` until `expires_at` (then one UNAUTHENTICATED error) or until `closing` is set."""
    closed = asyncio.ensure_future(closing.wait())
    async with aclosing(results):  # type: ignore[type-var] # Strawberry promises an iterator, and gives a generator
        try:
            while True:
                following = asyncio.ensure_future(anext(results, None))
                try:
                    timeout_s = None if expires_at is None else seconds_until(expires_at)
                    await asyncio.wait(
                        {following, closed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    if not following.done():
                        if not closed.done():
                            yield _expired()
                        return
                    if (result := following.result()) is None:
                        return
                    yield result
                finally:
                    await _cancelled(following)
        finally:
            await _cancelled(closed)


def _expired() -> ExecutionResult:
    error = GraphQLError(TOKEN_EXPIRED, extensions={"code": UNAUTHENTICATED})
    return ExecutionResult(data=None, errors=[error])


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel and wait, so that what it held is let go. Our own cancellation passes through."""
    task.cancel()
    await asyncio.wait({task})
