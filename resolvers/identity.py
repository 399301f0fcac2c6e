"""Who may sign up, in and out: everybody may try, and only whoever is in can go out."""

from domain import identity
from domain.identity import NewPerson, RefreshSession, Role, SignedIn, SignIn, SignOut, User
from domain.kernel.errors import Unauthenticated
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from resolvers.context import Context


async def sign_up(context: Context, command: NewPerson) -> SignedIn:
    """Raises InvalidInput, EmailTaken."""
    return await identity.sign_up(context.runtime, context.issuer, command)


async def sign_in(context: Context, command: SignIn) -> SignedIn:
    """Raises RateLimited, InvalidCredentials."""
    return await identity.sign_in(
        context.runtime, context.issuer, command, client=context.client, budget=context.limits.sign_in
    )


async def refresh_session(context: Context, command: RefreshSession) -> SignedIn:
    """Raises InvalidCredentials, RefreshTokenReused. Needs no access token: the old one may have expired."""
    return await identity.refresh_session(context.runtime, context.issuer, command)


async def sign_out(context: Context, command: SignOut) -> None:
    """Raises Unauthenticated."""
    viewer = context.require()
    await identity.sign_out(context.runtime, command, user_id=viewer.id, session_id=viewer.session_id)


async def me(context: Context) -> User:
    """Raises Unauthenticated, also when the token outlived its person."""
    user = await identity.find(context.require().id)
    if user is None:
        raise Unauthenticated("The person of this access token is gone.")
    return user


async def find_user(context: Context, user_id: str) -> User | None:
    """Oneself, or for an admin anybody; somebody else is the same as nobody. Raises Unauthenticated."""
    viewer = context.require()
    return await identity.find(user_id) if viewer.id == user_id or viewer.is_admin else None


async def page(
    context: Context, request: PageRequest, *, email: str | None, role: Role | None, joined: Search
) -> Page[User]:
    """Raises Unauthenticated, Forbidden (not an admin)."""
    context.require(Role.ADMIN)
    return await identity.page(context.runtime, request, email=email, role=role, joined=joined)


def email_of(context: Context, user: User) -> str:
    """The address, decrypted. A User is handed out to the person and to admins alone, see find_user."""
    return identity.email_of(context.runtime, user)
