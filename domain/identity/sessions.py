"""Signing up, in and out, and keeping a session alive.

A session is a family of refresh tokens. Each is used once, for the next one; a used one that comes again was
stolen, by whoever came first or by whoever comes now, and ends the session for both.
"""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from domain.identity import people
from domain.identity.credentials import check_sign_up_roles, parse_email, password_bytes
from domain.identity.documents import RefreshToken, Session, User
from domain.identity.passwords import NOBODYS_HASH, hash_password, needs_rehash, verify_password
from domain.identity.people import NewPerson
from domain.identity.tokens import TokenIssuer
from domain.kernel.budget import Budget
from domain.kernel.database import Tx
from domain.kernel.errors import InvalidCredentials, InvalidInput, RefreshTokenReused
from domain.kernel.ids import new_id
from domain.runtime import Runtime

_log = structlog.get_logger("identity")


@dataclass(frozen=True, kw_only=True)
class SignIn:
    email: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class RefreshSession:
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SignOut:
    """`everywhere`: all of the person's sessions, else only the one that asks."""

    everywhere: bool = False


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A live session of `user`. Its tokens exist here, on their way to the client, and nowhere else."""

    user: User
    session_id: str
    access_token: str = field(repr=False)
    access_token_expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_token_expires_at: datetime


@dataclass(frozen=True)
class _Grant:
    """What a transaction leaves behind for an access token to be made from."""

    user: User
    session_id: str
    refresh_token: str = field(repr=False)
    expires_at: datetime


async def sign_up(runtime: Runtime, issuer: TokenIssuer, person: NewPerson) -> SignedIn:
    """Make a customer, a contractor or both, and sign them in. Raises InvalidInput, EmailTaken."""
    check_sign_up_roles(person.roles)
    user = await people.create(runtime, person)
    return await _open(runtime, issuer, user)


async def sign_in(
    runtime: Runtime, issuer: TokenIssuer, command: SignIn, *, client: str, budget: Budget
) -> SignedIn:
    """`client` is where the attempt comes from; each counts, a good one too, for it and for the address.

    Raises RateLimited, before the password is looked at. Raises InvalidCredentials, after the same time
    whichever of the two was wrong.
    """
    await budget.spend(*_limited(runtime, command, client), member=new_id("try"))
    secret = password_bytes(command.password)
    user = await people.find_by_email(runtime, command.email)
    if secret is None:  # too long for anybody's: says nothing about the address
        raise _wrong_credentials()
    fits = await verify_password(secret, NOBODYS_HASH if user is None else user.password_hash)
    if user is None or not fits:
        raise _wrong_credentials()
    if needs_rehash(user.password_hash):
        await _rehash(user, secret)
    return await _open(runtime, issuer, user)


async def refresh_session(runtime: Runtime, issuer: TokenIssuer, command: RefreshSession) -> SignedIn:
    """Use up a refresh token and answer with the next one, and with the person's roles of today.

    Raises InvalidCredentials (unknown, expired, signed out), and RefreshTokenReused for one that was used
    before: its session is then over, for whoever holds the newer token too.
    """
    presented = _digest(command.refresh_token)

    async def work(tx: Tx) -> _Grant | RefreshToken:
        token = await RefreshToken.find_one({"_id": presented}, session=tx.session)
        if token is None or token.expires_at <= tx.now:
            raise _session_over()
        if token.used_at is not None:
            await _revoke(tx, token.session_id)
            return token
        return await _rotate(tx, token, issuer.refresh_life)

    outcome = await runtime.database.transact(work)
    # Only now, when the revocation is committed: an error inside would have undone it.
    if isinstance(outcome, RefreshToken):
        _log.warning("refresh_token_reused", session=outcome.session_id)
        raise RefreshTokenReused(
            "This refresh token was used before. The session has been ended: sign in again.",
            path=["refreshToken"],
        )
    return _answer(runtime, issuer, outcome)


async def sign_out(runtime: Runtime, command: SignOut, *, user_id: str, session_id: str) -> None:
    """End `session_id`, or every session of `user_id`. Safe to repeat.

    Access tokens that are out stay good until they expire, minutes later; no refresh token is from here on.
    """
    sessions = {"user_id": user_id} if command.everywhere else {"_id": session_id, "user_id": user_id}
    await Session.get_pymongo_collection().update_many(
        {**sessions, "revoked_at": None}, {"$set": {"revoked_at": runtime.now()}}
    )


async def _open(runtime: Runtime, issuer: TokenIssuer, user: User) -> SignedIn:
    session_id = new_id("ses")

    async def work(tx: Tx) -> _Grant:
        expires_at = tx.now + issuer.refresh_life
        session = Session(id=session_id, user_id=user.id, created_at=tx.now, expires_at=expires_at)
        await session.insert(session=tx.session)
        return await _grant(tx, user, session_id, expires_at)

    return _answer(runtime, issuer, await runtime.database.transact(work))


async def _rotate(tx: Tx, token: RefreshToken, life: timedelta) -> _Grant:
    """Of two at once, one conflicts here, runs again and finds `token` used."""
    expires_at = tx.now + life
    live = await Session.get_pymongo_collection().find_one_and_update(
        {"_id": token.session_id, "revoked_at": None},
        {"$set": {"expires_at": expires_at}, "$inc": {"rotations": 1}},
        session=tx.session,
    )
    if live is None:
        raise _session_over()
    user = await User.find_one({"_id": live["user_id"]}, session=tx.session)
    if user is None:
        raise _session_over()
    await RefreshToken.get_pymongo_collection().update_one(
        {"_id": token.id}, {"$set": {"used_at": tx.now}}, session=tx.session
    )
    return await _grant(tx, user, token.session_id, expires_at)


async def _grant(tx: Tx, user: User, session_id: str, expires_at: datetime) -> _Grant:
    """Store a new refresh token's hash; the token itself (256 random bits) is only handed on."""
    refresh_token = secrets.token_urlsafe(32)
    await RefreshToken(
        id=_digest(refresh_token), session_id=session_id, created_at=tx.now, expires_at=expires_at
    ).insert(session=tx.session)
    return _Grant(user, session_id, refresh_token, expires_at)


async def _revoke(tx: Tx, session_id: str) -> None:
    await Session.get_pymongo_collection().update_one(
        {"_id": session_id, "revoked_at": None}, {"$set": {"revoked_at": tx.now}}, session=tx.session
    )


def _limited(runtime: Runtime, command: SignIn, client: str) -> list[str]:
    """Whom a sign-in counts for, as keyed hashes. An address that nobody has counts like any other."""
    names = [f"client:{client}"]
    with suppress(InvalidInput):  # what is no address is nobody's account to guess at
        names.append(f"email:{parse_email(command.email).lookup}")
    return [runtime.cipher.lookup_hashes(name)[0] for name in names]


async def _rehash(user: User, secret: bytes) -> None:
    """Bring an older hash to today's costs. A racing sign-in may do the same: either is right."""
    await User.get_pymongo_collection().update_one(
        {"_id": user.id, "password_hash": user.password_hash},
        {"$set": {"password_hash": await hash_password(secret)}, "$inc": {"version": 1}},
    )


def _answer(runtime: Runtime, issuer: TokenIssuer, grant: _Grant) -> SignedIn:
    access = issuer.issue(grant.user.id, grant.user.roles, grant.session_id, now=runtime.now())
    return SignedIn(
        user=grant.user,
        session_id=grant.session_id,
        access_token=access.token,
        access_token_expires_at=access.expires_at,
        refresh_token=grant.refresh_token,
        refresh_token_expires_at=grant.expires_at,
    )


def _digest(refresh_token: str) -> str:
    """SHA-256, in hex. Plain is enough: what has 256 random bits cannot be guessed from its hash."""
    # JSON can spell a lone surrogate, which is no text; it shall be unknown, not an error.
    return hashlib.sha256(refresh_token.encode(errors="surrogatepass")).hexdigest()


def _wrong_credentials() -> InvalidCredentials:
    return InvalidCredentials("The e-mail address or the password is wrong.")


def _session_over() -> InvalidCredentials:
    return InvalidCredentials("This session is over. Sign in again.", path=["refreshToken"])
