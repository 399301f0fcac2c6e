"""Prefixed ids, the same in the database, in logs and in Stripe's metadata."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NewType

from ulid import ULID

UserId = NewType("UserId", str)
WalletId = NewType("WalletId", str)
DepositId = NewType("DepositId", str)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
_RANDOM_BYTES: Final = 10
# ULIDs are in Crockford's base 32, which leaves out I, L, O and U; the first ten digits are the milliseconds.
_ULID: Final = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
_DIGITS: Final = str.maketrans("JKMNPQRSTVWXYZ", "IJKLMNOPQRSTUV")


def new_id(prefix: str, *, at: datetime | None = None) -> str:
    """`<prefix>_<ULID>`: opaque to clients, and in order of their making (`at`, or now) for indexes."""
    return f"{prefix}_{ULID() if at is None else ULID.from_timestamp(_milliseconds(at))}"


def first_id(prefix: str, *, at: datetime) -> str:
    """The least id of that instant: whatever was made before it is less."""
    return f"{prefix}_{ULID.from_bytes(_milliseconds(at).to_bytes(6, 'big') + bytes(_RANDOM_BYTES))}"


def last_id(prefix: str, *, at: datetime) -> str:
    """The greatest id of that instant: whatever is made a millisecond later, or still later, is greater."""
    return f"{prefix}_{ULID.from_bytes(_milliseconds(at).to_bytes(6, 'big') + bytes([255] * _RANDOM_BYTES))}"


def last_id_before(prefix: str, *, at: datetime) -> str:
    """The greatest id that can be older than `at`: of a millisecond that is half over, all are."""
    return last_id(prefix, at=max(at, EPOCH + timedelta.resolution) - timedelta.resolution)


def made_at(prefix: str, identifier: str) -> datetime:
    """When an id was made, to the millisecond. Raises ValueError for what is none with this prefix."""
    start, _, text = identifier.partition("_")
    if start != prefix or not _ULID.fullmatch(text):
        raise ValueError(f"not an id of {prefix}: {identifier!r}")
    try:
        return EPOCH + int(text[:10].translate(_DIGITS), 32) * MILLISECOND
    except OverflowError:
        raise ValueError(f"no id is made as late as {identifier!r}") from None


def _milliseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND
