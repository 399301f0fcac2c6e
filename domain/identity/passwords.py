"""Password hashes: argon2id, in threads of its own."""

import asyncio
import base64
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP's first recommendation: 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
# A thread a core: a storm of sign-ins waits in line here, and takes neither all memory nor others' threads.
_THREADS: Final = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


# Costs what a person's hash costs, and no known password fits: its digest is random.
NOBODYS_HASH: Final = (
    f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    f"${_unpadded(secrets.token_bytes(_HASHER.salt_len))}${_unpadded(secrets.token_bytes(_HASHER.hash_len))}"
)


async def hash_password(secret: bytes) -> str:
    """The encoded argon2id hash, salt and costs included."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, secret)


async def verify_password(secret: bytes, encoded: str) -> bool:
    """Whether `encoded` was made from `secret`. Against NOBODYS_HASH: as slow, and always False."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, secret, encoded)


def needs_rehash(encoded: str) -> bool:
    """Whether `encoded` was made with other costs than today's."""
    return _HASHER.check_needs_rehash(encoded)


def _verify(secret: bytes, encoded: str) -> bool:
    try:
        return _HASHER.verify(encoded, secret)
    except (VerificationError, InvalidHashError):
        return False
