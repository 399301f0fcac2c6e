"""Stores that are not ours to run: whether they can serve, before anything is started on top of them."""

from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis, RedisError

from sandbox.errors import RunError

ANSWER_S_MAX: Final = 5.0


class UnfitStoreError(RunError):
    """A store that the environment names is away or cannot do what we need."""


def check_mongodb(url: str) -> None:
    """Refuse a MongoDB that is away or is no replica set. Blocks."""
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(url, serverSelectionTimeoutMS=int(ANSWER_S_MAX * 1000)) as client:
            hello = client.admin.command("hello")
    except PyMongoError as error:
        reason = str(error).partition(", Timeout:")[0]  # the rest describes the driver
        raise UnfitStoreError(f"MONGODB_URL: no usable answer from MongoDB: {reason}") from error
    if "setName" not in hello:
        raise UnfitStoreError(
            "MONGODB_URL: this MongoDB is not a replica set, and transactions and change streams need one.\n"
            "One node is enough: start mongod with --replSet NAME and run rs.initiate() once;"
            " or leave MONGODB_URL unset to use the embedded one."
        )


def check_redis(url: str) -> None:
    """Refuse a Redis that is away. Blocks."""
    try:
        with Redis.from_url(url, socket_timeout=ANSWER_S_MAX, socket_connect_timeout=ANSWER_S_MAX) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise UnfitStoreError(f"REDIS_URL: no usable answer from Redis: {error}") from error
