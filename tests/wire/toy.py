"""A schema that misbehaves on request, served as the product is: uvicorn, its middleware, real sockets."""

import asyncio
import base64
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NewType

import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from server.wire import (
    EXTENSIONS,
    STALL_S_MAX,
    BodyLimit,
    GraphQLApp,
    RequestId,
    Server,
    create_graphql_app,
    uvicorn_config,
)

PATH = "/graphql"
SECRET = "postgres://root:hunter2@db"


class Refused(Exception):
    """As the product's own: told to the client, with its code."""

    public: ClassVar[bool] = True

    def __init__(self, code: str, message: str, **extensions: object) -> None:
        super().__init__(message)
        self.code = code
        self.extensions = extensions


class Internal(Exception):
    """Has a code, as database drivers' errors do, and is nobody's business."""

    code = "E11000"


@dataclass
class Context:
    serial: int
    viewer: str | None
    token_expires_at: datetime | None
    client: str = ""
    retry_after_s: int = 0


_serials = itertools.count(1)
watching: set[str] = set()
"""Names of the subscriptions whose generator is alive now."""
FLOOD = base64.b64encode(os.urandom(49_152)).decode()
flooded: Counter[str] = Counter()
"""How much each flood has given out."""


async def make_context(connection: HTTPConnection[Any], authorization: str | None) -> Context:
    """`Bearer ada` is Ada, `brief` is Ada for a second, `busy` is Ada in haste, `crash` is a bug of ours."""
    if authorization is None:
        client = connection.client.host if connection.client else ""
        return Context(next(_serials), None, None, client)
    if authorization == "Bearer crash":
        raise RuntimeError(SECRET)
    if authorization == "Bearer brief":
        return Context(next(_serials), "ada", datetime.now(UTC) + timedelta(seconds=1))
    if authorization == "Bearer busy":
        raise Refused("RATE_LIMITED", "Slow down.", retryAfterSeconds=7)
    if authorization != "Bearer ada":
        raise Refused("UNAUTHENTICATED", "The access token is not valid.")
    return Context(next(_serials), "ada", None)


Even = NewType("Even", int)


def _parse_even(value: object) -> Even:
    if not isinstance(value, int) or value % 2:
        raise ValueError("must be even")
    return Even(value)


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def half(self, of: Even) -> int:
        return of // 2

    @strawberry.field
    def serial(self, info: strawberry.Info) -> int:
        return int(info.context.serial)

    @strawberry.field
    def client(self, info: strawberry.Info) -> str:
        return str(info.context.client)

    @strawberry.field
    def told_to_wait(self, info: strawberry.Info) -> str:
        info.context.retry_after_s = 7
        return "as data"

    @strawberry.field
    def secret(self, info: strawberry.Info) -> str:
        if info.context.viewer is None:
            raise Refused("UNAUTHENTICATED", "Sign in first.")
        return f"for {info.context.viewer}"

    @strawberry.field
    def limited(self) -> str | None:
        raise Refused("RATE_LIMITED", "Slow down.", retryAfterSeconds=7)

    @strawberry.field
    def crash(self) -> str | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    def driver_crash(self) -> str | None:
        raise Internal(SECRET)

    @strawberry.field
    def bare_graphql_error(self) -> str | None:
        raise GraphQLError(SECRET)

    @strawberry.field
    def too_big(self) -> int | None:
        return 2**40

    @strawberry.field
    def null_in_disguise(self) -> str:
        return None  # type: ignore[return-value]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> str:
        return "touched"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number
            await asyncio.sleep(0.01)

    @strawberry.subscription
    async def ticks(self, name: str) -> AsyncIterator[int]:
        """For ever; `watching` tells whether it was cleaned up."""
        watching.add(name)
        try:
            for number in itertools.count(1):
                yield number
                await asyncio.sleep(0.05)
        finally:
            watching.discard(name)

    @strawberry.subscription
    async def flood(self, name: str, times: int = 1) -> AsyncIterator[str]:
        """Pieces of `times` 64 KiB that compression makes no less, as fast as taken; `flooded` counts."""
        watching.add(name)
        try:
            while True:
                flooded[name] += 1
                yield FLOOD * times
                await asyncio.sleep(0)
        finally:
            watching.discard(name)

    @strawberry.subscription
    async def silence(self, name: str) -> AsyncIterator[int]:
        """Says nothing, for ever."""
        watching.add(name)
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            watching.discard(name)

    @strawberry.subscription
    async def crash_after_one(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError(SECRET)

    @strawberry.subscription
    async def refused(self) -> AsyncIterator[int]:
        raise Refused("FORBIDDEN", "Not for you.")
        yield 0  # makes it a generator

    @strawberry.subscription
    async def serial(self, info: strawberry.Info) -> AsyncIterator[int]:
        yield int(info.context.serial)


class Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """The wire logs what it masks."""


def make_schema() -> Schema:
    return Schema(
        Query,
        Mutation,
        Subscription,
        extensions=EXTENSIONS,
        scalar_overrides={Even: strawberry.scalar(name="Even", serialize=int, parse_value=_parse_even)},
    )


@dataclass
class Toy:
    """A running toy server."""

    port: int
    graphql: GraphQLApp
    server: Server
    thread: threading.Thread

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"


def make_app(*, body_s_max: float = 10.0, **options: Any) -> tuple[Starlette, GraphQLApp]:
    graphql = create_graphql_app(make_schema(), make_context=make_context, **options)
    middleware = [Middleware(RequestId), Middleware(BodyLimit, s_max=body_s_max)]
    return Starlette(routes=graphql.routes(), middleware=middleware), graphql


@contextmanager
def serve(*, stall_s_max: float = STALL_S_MAX, **options: Any) -> Iterator[Toy]:
    app, graphql = make_app(**options)
    config = uvicorn_config(app, host="127.0.0.1", port=0, stall_s_max=stall_s_max)
    server = Server(config, graphql)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield Toy(server.servers[0].sockets[0].getsockname()[1], graphql, server, thread)
    finally:
        server.should_exit = True
        thread.join()


async def eventually(condition: Any, *, s_max: float = 3.0) -> None:
    """Wait until `condition()` holds; fails after `s_max`."""
    async with asyncio.timeout(s_max):
        while not condition():  # noqa: ASYNC110 - the condition is the server's, in another thread
            await asyncio.sleep(0.01)
