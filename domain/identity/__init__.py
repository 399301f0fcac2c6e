"""People and their sessions: who somebody is, and how long we believe it."""

from domain.identity import people
from domain.identity.credentials import SIGN_UP_ROLES
from domain.identity.documents import RefreshToken, Role, Session, SessionId, User
from domain.identity.people import (
    NewPerson,
    create_admin,
    display_names,
    email_of,
    find,
    find_by_email,
    get,
    page,
)
from domain.identity.sessions import (
    RefreshSession,
    SignedIn,
    SignIn,
    SignOut,
    refresh_session,
    sign_in,
    sign_out,
    sign_up,
)
from domain.identity.tokens import AccessToken, Claims, TokenIssuer

DOCUMENTS = (User, Session, RefreshToken)

__all__ = [
    "DOCUMENTS",
    "SIGN_UP_ROLES",
    "AccessToken",
    "Claims",
    "NewPerson",
    "RefreshSession",
    "RefreshToken",
    "Role",
    "Session",
    "SessionId",
    "SignIn",
    "SignOut",
    "SignedIn",
    "TokenIssuer",
    "User",
    "create_admin",
    "display_names",
    "email_of",
    "find",
    "find_by_email",
    "get",
    "page",
    "people",
    "refresh_session",
    "sign_in",
    "sign_out",
    "sign_up",
]
