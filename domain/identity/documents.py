"""The three collections of people and their sessions."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

SessionId = NewType("SessionId", str)


class Role(StrEnum):
    """What a person may do, in the order in which roles are kept."""

    CUSTOMER = "CUSTOMER"
    CONTRACTOR = "CONTRACTOR"
    ADMIN = "ADMIN"


class User(Document):
    """A person. `email` is encrypted; `email_hash` is the keyed hash by which it is found."""

    id: str  # type: ignore[assignment]  # prefixed ids in place of ObjectIds
    email: bytes = Field(repr=False)
    email_hash: str = Field(repr=False)
    password_hash: str = Field(repr=False)
    display_name: str
    roles: list[Role]
    version: int = 1
    created_at: datetime

    class Settings:
        name = "users"
        indexes: ClassVar = [
            IndexModel([("email_hash", ASCENDING)], unique=True, name="email_hash"),
            IndexModel([("roles", ASCENDING), ("_id", DESCENDING)], name="role"),
        ]


class Session(Document):
    """A family of refresh tokens, each made from the one before. `rotations` counts them on.

    Every rotation writes this document, and so does a revocation: the two conflict, where a revocation
    that wrote the tokens themselves would miss the one that is just being made.
    """

    id: str  # type: ignore[assignment]
    user_id: str
    rotations: int = 0
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    class Settings:
        name = "sessions"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING)], name="user_id"),
            IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expiry"),
        ]


class RefreshToken(Document):
    """A refresh token, known by its SHA-256 alone. Kept until it expires, so that a reuse is recognised."""

    id: str = Field(repr=False)  # type: ignore[assignment]
    session_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

    class Settings:
        name = "refresh_tokens"
        indexes: ClassVar = [IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expiry")]
