"""Time as the product keeps it: aware, in UTC, cut to milliseconds, for MongoDB keeps no more."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present instant, cut to milliseconds."""
    return cut(datetime.now(UTC))


def cut(instant: datetime) -> datetime:
    """`instant` in UTC without what is below a millisecond: equal before and after MongoDB stored it."""
    instant = instant.astimezone(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def iso(instant: datetime) -> str:
    """`2026-11-22T23:04:05.678Z`, the one spelling that is hashed and sent."""
    return cut(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")
