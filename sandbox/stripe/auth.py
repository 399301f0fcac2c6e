"""Who asks: by Bearer or Basic, with the secret key or, for what browsers may do, the publishable one."""

import base64
import binascii
import secrets

from .config import API_VERSION, SandboxConfig
from .errors import NotExecuted, bad_parameter, no_access
from .operations import Operation
from .store import Store

_NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization header, using "
    "Bearer auth "
    "(e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for "
    "details."
)


def authenticate(config: SandboxConfig, authorization: str) -> bool:
    """Whether the key is the publishable one. Raises NotExecuted (401)."""
    key = _key(authorization)
    if not key:
        raise NotExecuted(401, _NO_KEY, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})
    if _same(key, config.secret_key):
        return False
    if _same(key, config.publishable_key):
        return True
    hidden = f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    raise NotExecuted(401, f"Invalid API Key provided: {hidden}")


def authorize(operation: Operation, *, publishable: bool) -> None:
    """Raises NotExecuted (403) for what a publishable key may not do."""
    if publishable and not operation.for_browsers:
        raise NotExecuted(
            403,
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can "
            "find a list "
            "of your API keys at https://dashboard.stripe.com/account/apikeys.",
            code="secret_key_required",
        )


def check_account(store: Store, account: str) -> None:
    """Raises NotExecuted (403) for a connected account that is not there, or no more."""
    if account:
        stored = store.find("account", account, account="")
        if stored is None or stored.deleted:
            raise no_access(account)


def check_version(version: str) -> None:
    """Raises NotExecuted for another version: its objects would look different."""
    if version != API_VERSION:
        raise bad_parameter(
            f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only.",
            param="Stripe-Version",
        )


def _key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            try:
                return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""


def _same(given: str, real: str) -> bool:
    return secrets.compare_digest(given.encode(), real.encode())
