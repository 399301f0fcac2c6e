"""The secrets of a local run: made once, kept in DATA_DIR, overruled by the environment."""

import base64
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sandbox.files import keep
from sandbox.people import PEOPLE


def _key_of_32_bytes() -> str:
    """Base64url with its padding: the form of a Fernet key, among others."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SETTINGS: Final[Mapping[str, Callable[[], str]]] = {
    "JWT_KEYS": lambda: f"{secrets.token_hex(4)}:{_key_of_32_bytes()}",
    "DATA_KEYS": _key_of_32_bytes,
    "CHECKPOINT_KEY": _key_of_32_bytes,
    "STRIPE_SECRET_KEY": lambda: f"sk_test_{secrets.token_hex(24)}",
    "STRIPE_PUBLISHABLE_KEY": lambda: f"pk_test_{secrets.token_hex(24)}",
    "STRIPE_WEBHOOK_SECRETS": lambda: f"whsec_{secrets.token_hex(24)}",
    "STRIPE_CONNECT_WEBHOOK_SECRETS": lambda: f"whsec_{secrets.token_hex(24)}",
}


def kept_settings(data: Path) -> dict[str, str]:
    """The generated settings, by the name of their environment variable."""
    return keep(data / "secrets.json", SETTINGS)


def kept_passwords(data: Path) -> dict[str, str]:
    """The passwords of PEOPLE, by their names there."""
    return keep(data / "passwords.json", dict.fromkeys(PEOPLE, lambda: secrets.token_urlsafe(12)))


def signing_secret(secrets_in_rotation: str) -> str:
    """The first of a comma-separated list is the one that signs."""
    return secrets_in_rotation.split(",", maxsplit=1)[0].strip()
