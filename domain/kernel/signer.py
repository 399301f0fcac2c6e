"""Signatures that everybody can verify, and that only the holder of a private key can make: Ed25519."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC: Final = "public:"
KEY_BYTES: Final = 32
# 32 random bytes hold about 30 different ones; a password or a row of zeros holds few.
DIFFERENT_BYTES_MIN: Final = 16


@dataclass(frozen=True)
class Signature:
    """`key` is the public key that it verifies with; both are base64url."""

    key: str
    text: str


class Signer:
    """Signs with the first of `keys`, verifies with any of them.

    A key is 32 random bytes in base64url, or, to verify alone, `public:` and the public key in base64url.
    Raises ValueError for anything else.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("CHECKPOINT_KEY must hold at least one key")
        pairs = [_pair(key.strip()) for key in keys]
        self._private, self._public = pairs[0]
        self._known = {_text(public): public for _, public in pairs}

    @property
    def can_sign(self) -> bool:
        return self._private is not None

    @property
    def key(self) -> str:
        """The public key of the first."""
        return _text(self._public)

    @property
    def known_keys(self) -> list[str]:
        """The public keys of all."""
        return list(self._known)

    def sign(self, message: bytes) -> Signature:
        """Raises ValueError when the first key is only a public one."""
        if self._private is None:
            raise ValueError("the first of CHECKPOINT_KEY is a public key, which cannot sign")
        return Signature(self.key, _base64(self._private.sign(message)))

    def verifies(self, message: bytes, signature: Signature) -> bool:
        """False for a signature by a key that is not known, too."""
        public = self._known.get(signature.key)
        if public is None:
            return False
        try:
            public.verify(_bytes(signature.text), message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _pair(key: str) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey]:
    raw = _bytes(key.removeprefix(PUBLIC))
    if len(raw) != KEY_BYTES or len(set(raw)) < DIFFERENT_BYTES_MIN:
        raise ValueError("a checkpoint key is 32 random bytes in base64url")
    if key.startswith(PUBLIC):
        return None, Ed25519PublicKey.from_public_bytes(raw)
    private = Ed25519PrivateKey.from_private_bytes(raw)
    return private, private.public_key()


def _text(public: Ed25519PublicKey) -> str:
    return _base64(public.public_bytes_raw())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    """Raises ValueError for what is not base64url, all of it."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error:
        # Without the cause, which could show what a secret looks like.
        raise ValueError("not base64url") from None
