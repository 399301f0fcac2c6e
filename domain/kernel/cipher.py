"""Encryption of single fields, and keyed hashes by which an encrypted field can still be found."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, MultiFernet


class Cipher:
    """Encrypts with the first of `keys` (Fernet keys), decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("DATA_KEYS must hold at least one Fernet key")
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # Another key than Fernet's own halves, so that a hash says nothing about a ciphertext.
        self._hash_keys = [
            hmac.digest(base64.urlsafe_b64decode(key), b"jobsphere:lookup", hashlib.sha256) for key in keys
        ]

    def encrypt(self, text: str | bytes) -> bytes:
        return self._fernet.encrypt(text.encode() if isinstance(text, str) else text)

    def decrypt(self, token: bytes) -> bytes:
        """Raises cryptography.fernet.InvalidToken when no key fits."""
        return self._fernet.decrypt(token)

    def lookup_hashes(self, text: str) -> list[str]:
        """Keyed hashes of `text`, the newest key's first: store the first, search for all of them."""
        return [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for key in self._hash_keys]
