"""Access tokens: short-lived JWTs (HS256), which say who asks and are verified without the database."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from domain.identity.documents import Role, SessionId
from domain.kernel.clock import utc_now
from domain.kernel.errors import Unauthenticated
from domain.kernel.ids import UserId

ALGORITHM: Final = "HS256"
# As long as the digest: RFC 7518, section 3.2.
KEY_BYTES_MIN: Final = 32
TOKEN_CHARACTERS_MAX: Final = 4096
# Our processes' clocks may differ by this much. Expiry is exact all the same.
CLOCK_SKEW: Final = timedelta(seconds=5)
ACCESS_MINUTES_DEFAULT: Final = 15
REFRESH_DAYS_DEFAULT: Final = 30

_NOT_VALID: Final = "The access token is not valid."
_REQUIRED: Final = ["exp", "iat", "nbf", "sub", "iss", "aud", "sid", "roles", "jti"]


@dataclass(frozen=True)
class Claims:
    """What a verified access token says. `expires_at` and `issued_at` are whole seconds, in UTC."""

    user_id: UserId
    roles: frozenset[Role]
    session_id: SessionId
    token_id: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class AccessToken:
    token: str = field(repr=False)
    expires_at: datetime


class TokenIssuer:
    """Signs with the first of `keys`, verifies with the one that a token's header names.

    `keys` maps a key id (`kid`) to its secret. To rotate, put a new key in front and take the old one away
    once its last token has expired: nobody is signed out.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        issuer: str,
        audience: str,
        access_minutes: int = ACCESS_MINUTES_DEFAULT,
        refresh_days: int = REFRESH_DAYS_DEFAULT,
    ) -> None:
        """Raises ValueError: no key, a key below 32 bytes, an empty name, a life that is not above 0."""
        if not keys or not all(keys):
            raise ValueError("at least one signing key is needed, and each needs an id")
        self._keys = {kid: secret.encode() for kid, secret in keys.items()}
        if short := [kid for kid, secret in self._keys.items() if len(secret) < KEY_BYTES_MIN]:
            raise ValueError(
                f"signing keys need at least {KEY_BYTES_MIN} bytes; too short: {', '.join(short)}"
            )
        if not issuer or not audience:
            raise ValueError("issuer and audience must be named")
        if access_minutes <= 0 or refresh_days <= 0:
            raise ValueError("tokens must live longer than no time")
        self._kid = next(iter(self._keys))
        self._issuer = issuer
        self._audience = audience
        self._access_life = timedelta(minutes=access_minutes)
        self.refresh_life = timedelta(days=refresh_days)

    def issue(
        self, user_id: str, roles: Iterable[Role], session_id: str, *, now: datetime | None = None
    ) -> AccessToken:
        """A token for `user_id`, good from now until `expires_at`."""
        issued_at = (now or utc_now()).replace(microsecond=0)
        expires_at = issued_at + self._access_life
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user_id,
            "sid": session_id,
            "roles": [role.value for role in roles],
            "jti": secrets.token_urlsafe(16),
            "iat": int(issued_at.timestamp()),
            "nbf": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        token = jwt.encode(payload, self._keys[self._kid], algorithm=ALGORITHM, headers={"kid": self._kid})
        return AccessToken(token, expires_at)

    def verify(self, token: str, *, now: datetime | None = None) -> Claims:
        """What `token` says. Raises Unauthenticated: not ours, not whole, or not of this time."""
        claims = self._read(token)
        now = now or utc_now()
        if claims.expires_at <= now:
            raise Unauthenticated("The access token has expired. Refresh the session.")
        if claims.issued_at > now + CLOCK_SKEW:
            raise Unauthenticated(_NOT_VALID)
        return claims

    def _read(self, token: str) -> Claims:
        """Signature, issuer, audience and shape. Times are left to `verify`, which has the caller's clock."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise Unauthenticated(_NOT_VALID)
        try:
            kid: str = jwt.get_unverified_header(token)["kid"]
            payload = jwt.decode(
                token,
                self._keys[kid],
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": _REQUIRED,
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return _claims(payload)
        # Besides PyJWT's own: no such key, no unicode, a value of another type, JSON nested too deeply,
        # a time beyond the calendar. One answer for all: whoever forges learns nothing.
        except (
            jwt.PyJWTError,
            KeyError,
            ValueError,
            TypeError,
            RecursionError,
            OverflowError,
            OSError,
        ) as error:
            raise Unauthenticated(_NOT_VALID) from error


def _claims(payload: Mapping[str, Any]) -> Claims:
    """Raises ValueError, TypeError or OverflowError when a claim has another shape than we give it."""
    texts = [payload[name] for name in ("sub", "sid", "jti")]
    times = [payload[name] for name in ("iat", "nbf", "exp")]
    roles = payload["roles"]
    # `type() is`: True would pass for an int.
    if not all(type(text) is str and text for text in texts) or not all(type(time) is int for time in times):
        raise TypeError("a claim has the wrong type")
    if not isinstance(roles, list):
        raise TypeError("roles are a list")
    issued, not_before, expires = (datetime.fromtimestamp(time, UTC) for time in times)
    user_id, session_id, token_id = texts
    return Claims(
        user_id=UserId(user_id),
        roles=frozenset(Role(role) for role in roles),
        session_id=SessionId(session_id),
        token_id=token_id,
        issued_at=max(issued, not_before),
        expires_at=expires,
    )
