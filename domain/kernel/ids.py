"""Prefixed ids, the same in the database, in logs and in Stripe's metadata."""

from datetime import UTC, datetime, timedelta
from typing import Final, NewType

from ulid import ULID

UserId = NewType("UserId", str)
WalletId = NewType("WalletId", str)
DepositId = NewType("DepositId", str)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
_RANDOM_BYTES: Final = 10


def new_id(prefix: str, *, at: datetime | None = None) -> str:
    """`<prefix>_<ULID>`: opaque to clients, and in order of their making (`at`, or now) for indexes."""
    return f"{prefix}_{ULID() if at is None else ULID.from_timestamp(_milliseconds(at))}"


def first_id(prefix: str, *, at: datetime) -> str:
    """The least id of that instant: whatever was made before it is less."""
    return f"{prefix}_{ULID.from_bytes(_milliseconds(at).to_bytes(6, 'big') + bytes(_RANDOM_BYTES))}"


def made_at(prefix: str, identifier: str) -> datetime:
    """When an id was made, to the millisecond. Raises ValueError for what is none with this prefix."""
    start, _, text = identifier.partition("_")
    ulid = ULID.from_str(text)
    if start != prefix or str(ulid) != text:
        raise ValueError(f"not an id of {prefix}: {identifier!r}")
    # Not by way of a float of seconds, which may lie beside the millisecond that is meant.
    try:
        return EPOCH + ulid.milliseconds * MILLISECOND
    except OverflowError:
        raise ValueError(f"no id is made as late as {identifier!r}") from None


def _milliseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND
