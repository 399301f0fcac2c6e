"""Who there is: making people, and finding them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pymongo.errors import DuplicateKeyError

from domain.identity.credentials import (
    EmailAddress,
    check_display_name,
    check_new_password,
    in_order,
    parse_email,
)
from domain.identity.documents import Role, User
from domain.identity.passwords import hash_password
from domain.kernel.database import parse
from domain.kernel.errors import EmailTaken, InvalidInput, NotFound
from domain.kernel.ids import new_id
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.kernel.search import Search
from domain.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class NewPerson:
    """A person as somebody typed them, nothing of it checked yet."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    display_name: str
    roles: Sequence[Role]


async def create(runtime: Runtime, person: NewPerson) -> User:
    """Store a new person with any roles: who may have which is the caller's question.

    Raises InvalidInput, and EmailTaken, also to whoever loses a race for one address.
    """
    email = parse_email(person.email)
    secret = check_new_password(person.password)
    display_name = check_display_name(person.display_name)
    # The unique index covers today's key only; this look covers the hashes made with older ones.
    if await _find(runtime, email) is not None:
        raise _taken()
    now = runtime.now()
    user = User(
        id=new_id("usr", at=now),
        email=runtime.cipher.encrypt(email.address),
        email_hash=runtime.cipher.lookup_hashes(email.lookup)[0],
        password_hash=await hash_password(secret),
        display_name=display_name,
        roles=in_order(person.roles),
        created_at=now,
    )
    try:
        await user.insert()
    except DuplicateKeyError:
        raise _taken() from None
    return user


async def create_admin(runtime: Runtime, *, email: str, password: str, display_name: str) -> User:
    """A person whose one role is ADMIN. Raises InvalidInput, EmailTaken."""
    return await create(
        runtime, NewPerson(email=email, password=password, display_name=display_name, roles=(Role.ADMIN,))
    )


async def ensure(runtime: Runtime, people: Iterable[NewPerson]) -> list[User]:
    """Each of `people`, made unless somebody has that address: whoever is there already stays as they are.

    For people that the house itself brings along (demo people, the first admins). Raises InvalidInput.
    """
    return [await _ensure_one(runtime, person) for person in people]


async def _ensure_one(runtime: Runtime, person: NewPerson) -> User:
    if (there := await find_by_email(runtime, person.email)) is not None:
        return there
    try:
        return await create(runtime, person)
    except EmailTaken:  # lost a race, for instance to another process that starts
        there = await find_by_email(runtime, person.email)
        if there is None:
            raise
        return there


async def find(user_id: str) -> User | None:
    return await User.find_one({"_id": user_id})


async def get(user_id: str) -> User:
    """Raises NotFound."""
    user = await find(user_id)
    if user is None:
        raise NotFound("There is no such person.")
    return user


async def find_by_email(runtime: Runtime, email: str) -> User | None:
    """None for an address that nobody has, and for what is no address at all."""
    try:
        return await _find(runtime, parse_email(email))
    except InvalidInput:
        return None


async def page(
    runtime: Runtime,
    request: PageRequest,
    *,
    email: str | None = None,
    role: Role | None = None,
    joined: Search | None = None,
) -> Page[User]:
    """Who has this address, this role, and came in that time (of `joined`); newest first. Cursors are ids.

    An address is found whole or not at all: only its keyed hash can be looked for.
    """
    criteria = {} if joined is None else joined.criteria("usr")
    if email is not None:
        person = await find_by_email(runtime, email)
        criteria["_id"] = {**criteria.get("_id", {}), "$in": [] if person is None else [person.id]}
    if role is not None:
        criteria["roles"] = role.value
    page = await newest_first(User.get_pymongo_collection(), criteria, request)
    return Page([parse(User, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def display_names(user_ids: Iterable[str]) -> dict[str, str]:
    """Display name by id, in one query; ids that nobody has are left out."""
    found = User.get_pymongo_collection().find({"_id": {"$in": list(user_ids)}}, {"display_name": 1})
    return {row["_id"]: row["display_name"] async for row in found}


def email_of(runtime: Runtime, user: User) -> str:
    """The address, decrypted. Show it to the person and to admins only, and log it never."""
    return runtime.cipher.decrypt(user.email).decode()


async def _find(runtime: Runtime, email: EmailAddress) -> User | None:
    return await User.find_one({"email_hash": {"$in": runtime.cipher.lookup_hashes(email.lookup)}})


def _taken() -> EmailTaken:
    return EmailTaken("Somebody with this e-mail address has signed up already.", path=["email"])
