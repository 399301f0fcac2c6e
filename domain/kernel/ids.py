"""Prefixed ids, the same in the database, in logs and in Stripe's metadata."""

from typing import NewType

from ulid import ULID

UserId = NewType("UserId", str)
WalletId = NewType("WalletId", str)
DepositId = NewType("DepositId", str)


def new_id(prefix: str) -> str:
    """`<prefix>_<ULID>`: opaque to clients, and in order of their making for the database's indexes."""
    return f"{prefix}_{ULID()}"
