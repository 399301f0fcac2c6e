"""People sign up, in and out; what is stored of them; and what thieves of tokens and guessers get."""

import asyncio
import hashlib
import statistics
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from argon2 import PasswordHasher
from cryptography.fernet import Fernet
from ulid import ULID

import resolvers.identity
from domain import identity
from domain.changes import Changes
from domain.identity import (
    NewPerson,
    RefreshSession,
    RefreshToken,
    Role,
    Session,
    SignedIn,
    SignIn,
    SignOut,
    TokenIssuer,
    User,
)
from domain.kernel.cipher import Cipher
from domain.kernel.clock import cut, utc_now
from domain.kernel.database import Database
from domain.kernel.errors import (
    EmailTaken,
    Forbidden,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    RefreshTokenReused,
    Unauthenticated,
)
from domain.runtime import Runtime
from resolvers.context import Context, Limits, Viewer
from tests.house import House

PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """The present, moved ahead by hand. Never back: MongoDB itself removes what has expired."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return cut(utc_now() + self.ahead)


@dataclass(frozen=True)
class Door:
    """The verbs under test, with the runtime and the issuer already in their hands."""

    runtime: Runtime
    changes: Changes
    issuer: TokenIssuer
    limits: Limits
    clock: Clock

    async def sign_up(self, email: str, **changes: Any) -> SignedIn:
        return await identity.sign_up(self.runtime, self.issuer, person(email, **changes))

    async def sign_in(self, email: str, password: str = PASSWORD) -> SignedIn:
        command = SignIn(email=email, password=password)
        return await identity.sign_in(
            self.runtime, self.issuer, command, client="192.0.2.1", budget=self.limits.sign_in
        )

    async def refresh(self, refresh_token: str) -> SignedIn:
        command = RefreshSession(refresh_token=refresh_token)
        return await identity.refresh_session(self.runtime, self.issuer, command)

    async def sign_out(self, session: SignedIn, *, everywhere: bool = False) -> None:
        await resolvers.identity.sign_out(self.context(session), SignOut(everywhere=everywhere))

    def context(self, session: SignedIn | None) -> Context:
        """The context of an operation that comes with the session's access token."""
        viewer = session and Viewer.of(self.issuer.verify(session.access_token, now=self.clock()))
        return Context(
            runtime=self.runtime,
            changes=self.changes,
            issuer=self.issuer,
            limits=self.limits,
            viewer=viewer or None,
            client="192.0.2.1",
            request_id="test",
        )


@pytest.fixture
def door(house: House) -> Door:
    """A test that moves the clock moves it for itself: the house's clock stays where it is."""
    clock = Clock()
    runtime = replace(
        house.runtime,
        database=Database(house.runtime.database.client, house.settings.mongodb_database, clock),
        cipher=Cipher([Fernet.generate_key().decode()]),
        now=clock,
    )
    issuer = TokenIssuer(
        {"first": "a signing key of thirty-two bytes or more"}, issuer="jobsphere", audience="jobsphere-api"
    )
    return Door(runtime, house.changes, issuer, house.limits, clock)


@pytest.fixture
def email() -> str:
    return f"{ULID()}@example.com".lower()


def person(email: str, **changes: Any) -> NewPerson:
    ada = NewPerson(email=email, password=PASSWORD, display_name="Ada Lovelace", roles=(Role.CUSTOMER,))
    return replace(ada, **changes)


# ------------------------------------------------------------------ signing up


async def test_signs_up_and_is_known(door: Door, email: str) -> None:
    signed_in = await door.sign_up(email, roles=(Role.CONTRACTOR, Role.CUSTOMER, Role.CONTRACTOR))

    context = door.context(signed_in)
    me = await resolvers.identity.me(context)
    assert me.id == signed_in.user.id
    assert me.id.startswith("usr_")
    assert me.display_name == "Ada Lovelace"
    assert me.roles == [Role.CUSTOMER, Role.CONTRACTOR]
    assert resolvers.identity.email_of(context, me) == email
    assert context.token_expires_at == signed_in.access_token_expires_at
    assert signed_in.refresh_token_expires_at > door.clock() + timedelta(days=29)


async def test_stores_no_password_address_or_token(door: Door, email: str) -> None:
    first = await door.sign_up(email)
    second = await door.refresh(first.refresh_token)

    stored = ""
    for model in identity.DOCUMENTS:
        stored += repr(await model.get_pymongo_collection().find().to_list())
    user = await identity.get(first.user.id)
    secrets = [email, email.split("@", maxsplit=1)[0], PASSWORD]
    secrets += [
        token for session in (first, second) for token in (session.access_token, session.refresh_token)
    ]
    assert not [secret for secret in secrets if secret in stored or secret in repr((first, second))]
    assert hashlib.sha256(second.refresh_token.encode()).hexdigest() in stored
    assert user.password_hash.startswith("$argon2id$")
    assert user.password_hash not in repr(user)


async def test_logs_no_address_password_or_token(door: Door, email: str) -> None:
    with structlog.testing.capture_logs() as lines:
        first = await door.sign_up(email)
        second = await door.refresh(first.refresh_token)
        with pytest.raises(RefreshTokenReused):
            await door.refresh(first.refresh_token)
        with pytest.raises(InvalidCredentials):
            await door.sign_in(email, "not the password")

    assert [line["event"] for line in lines] == ["refresh_token_reused"]
    secrets = [email, PASSWORD, first.refresh_token, second.refresh_token, second.access_token]
    assert not [secret for secret in secrets if secret in repr(lines)]


async def test_an_address_is_one_persons_in_any_spelling(door: Door) -> None:
    local = str(ULID())
    signed_in = await door.sign_up(f"  José.{local}@Bücher.Example.com ")

    spellings = [
        f"josé.{local}@bücher.example.com",
        f"JOSÉ.{local}@XN--BCHER-KVA.example.com",
        f"Jose\u0301.{local}@bu\u0308cher.example.com",
    ]
    for spelling in spellings:
        assert (await door.sign_in(spelling)).user.id == signed_in.user.id
        with pytest.raises(EmailTaken) as caught:
            await door.sign_up(spelling)
        assert caught.value.path == ("email",)
    assert identity.email_of(door.runtime, signed_in.user) == f"José.{local}@bücher.example.com"


async def test_racing_sign_ups_make_one_person(door: Door, email: str) -> None:
    outcomes = await asyncio.gather(*(door.sign_up(email) for _ in range(12)), return_exceptions=True)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 11
    assert await User.find({"display_name": "Ada Lovelace", "email_hash": _hash(door, email)}).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "ada"}, "email"),
        ({"email": "ada@"}, "email"),
        ({"email": "ada@localhost"}, "email"),
        ({"email": "Ada <ada@example.com>"}, "email"),
        ({"email": "ada@example.com\nBcc: x@example.com"}, "email"),
        ({"email": "a\ud800@example.com"}, "email"),
        ({"email": "a" * 1_000_000 + "@example.com"}, "email"),
        ({"password": ""}, "password"),
        ({"password": "7 signs"}, "password"),
        ({"password": "éééé" + "\u0301" * 3}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "\U0001f40e" * 33}, "password"),
        ({"password": "\ud800" * 10}, "password"),
        ({"password": "x" * 1_000_000}, "password"),
        ({"display_name": ""}, "displayName"),
        ({"display_name": " \t "}, "displayName"),
        ({"display_name": "x" * 101}, "displayName"),
        ({"display_name": "Ada\nLovelace"}, "displayName"),
        ({"display_name": "Ada\x00"}, "displayName"),
        ({"display_name": "Ada \u202eecalevoL"}, "displayName"),
        ({"display_name": "\u200b\u200b"}, "displayName"),
        ({"display_name": "Ada \ud800"}, "displayName"),
        ({"roles": ()}, "roles"),
        ({"roles": (Role.ADMIN,)}, "roles"),
        ({"roles": (Role.CUSTOMER, Role.ADMIN)}, "roles"),
    ],
    ids=lambda value: repr(value)[:40].encode("ascii", "backslashreplace").decode(),
)
async def test_bad_input_names_its_field_and_writes_nothing(
    door: Door, email: str, changes: dict[str, Any], field: str
) -> None:
    before = await User.count()

    with pytest.raises(InvalidInput) as caught:
        await door.sign_up(**{"email": email, **changes})

    assert caught.value.path == (field,)
    assert await User.count() == before


@pytest.mark.parametrize("password", ["8 signs.", "x" * 128, "\U0001f40e" * 32, "пароль из букв", "\x00" * 8])
async def test_any_text_is_a_password(door: Door, email: str, password: str) -> None:
    await door.sign_up(email, password=password)

    await door.sign_in(email, password)
    with pytest.raises(InvalidCredentials):
        await door.sign_in(email, password[:-1])


async def test_a_password_is_the_same_from_every_keyboard(door: Door, email: str) -> None:
    await door.sign_up(email, password="caf\u00e9 cr\u00e8me")

    await door.sign_in(email, "cafe\u0301 cre\u0300me")


# ------------------------------------------------------------------ signing in


async def test_wrong_address_and_wrong_password_are_answered_alike(door: Door, email: str) -> None:
    await door.sign_up(email)

    answers = set()
    attempts = [
        (email, "not the password"),
        (f"nobody-{email}", PASSWORD),
        ("no address", PASSWORD),
        ("\ud800", PASSWORD),
        (email, ""),
        (email, "x" * 1_000_000),
        (email, "\ud800"),
    ]
    for address, password in attempts:
        with pytest.raises(InvalidCredentials) as caught:
            await door.sign_in(address, password)
        answers.add((caught.value.message, caught.value.path, str(caught.value.__cause__)))
    assert len(answers) == 1


@pytest.mark.usefixtures("real_hashes")
async def test_wrong_address_takes_as_long_as_wrong_password(door: Door, email: str) -> None:
    await door.sign_up(email)

    async def seconds(address: str) -> float:
        start = time.perf_counter()
        with pytest.raises(InvalidCredentials):
            await door.sign_in(address, "not the password")
        return time.perf_counter() - start

    # Taken in turns, so that a busy machine is busy for both.
    pairs = [(await seconds(email), await seconds(f"nobody-{email}")) for _ in range(15)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    # Without the stand-in hash the factor is above ten.
    assert 0.5 < unknown / known < 2


@pytest.mark.usefixtures("real_hashes")
async def test_an_old_hash_is_renewed_at_sign_in(door: Door, email: str) -> None:
    signed_in = await door.sign_up(email)
    users = User.get_pymongo_collection()
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await users.update_one({"_id": signed_in.user.id}, {"$set": {"password_hash": weak}})

    await door.sign_in(email)

    renewed = await identity.get(signed_in.user.id)
    assert renewed.password_hash != weak
    assert renewed.version == signed_in.user.version + 1
    await door.sign_in(email)


async def test_addresses_are_found_after_the_data_key_was_rotated(door: Door, email: str) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    before = replace(door, runtime=replace(door.runtime, cipher=Cipher([old])))
    after = replace(door, runtime=replace(door.runtime, cipher=Cipher([new, old])))
    signed_in = await before.sign_up(email)

    found = await after.sign_in(email)

    assert found.user.id == signed_in.user.id
    assert identity.email_of(after.runtime, found.user) == email
    with pytest.raises(EmailTaken):
        await after.sign_up(email)


# ------------------------------------------------------------------ refreshing


async def test_refreshing_rotates_the_token_and_keeps_the_session(door: Door, email: str) -> None:
    first = await door.sign_up(email)
    door.clock.ahead = timedelta(days=20)

    second = await door.refresh(first.refresh_token)

    assert second.refresh_token != first.refresh_token
    assert second.session_id == first.session_id
    assert second.user.id == first.user.id
    assert second.refresh_token_expires_at >= first.refresh_token_expires_at + timedelta(days=20)
    assert (await door.refresh(second.refresh_token)).session_id == first.session_id


async def test_a_used_token_kills_its_family_and_no_other(door: Door, email: str) -> None:
    first = await door.sign_up(email)
    elsewhere = await door.sign_in(email)
    second = await door.refresh(first.refresh_token)

    for _ in range(2):
        with pytest.raises(RefreshTokenReused):
            await door.refresh(first.refresh_token)

    with pytest.raises(InvalidCredentials):
        await door.refresh(second.refresh_token)
    await door.refresh(elsewhere.refresh_token)


async def test_of_racing_refreshes_one_wins_and_the_family_dies(door: Door, email: str) -> None:
    first = await door.sign_up(email)

    outcomes = await asyncio.gather(
        *(door.refresh(first.refresh_token) for _ in range(8)), return_exceptions=True
    )

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, RefreshTokenReused) for outcome in outcomes) == 7
    with pytest.raises(InvalidCredentials):
        await door.refresh(winners[0].refresh_token)
    assert await RefreshToken.find({"session_id": first.session_id}).count() == 2


async def test_no_token_slips_through_a_racing_sign_out(door: Door, email: str) -> None:
    for _ in range(8):
        session = await door.sign_up(f"{ULID()}-{email}")

        refreshed, _none = await asyncio.gather(
            door.refresh(session.refresh_token),
            door.sign_out(session, everywhere=True),
            return_exceptions=True,
        )

        if isinstance(refreshed, SignedIn):
            with pytest.raises(InvalidCredentials):
                await door.refresh(refreshed.refresh_token)
        else:
            assert isinstance(refreshed, InvalidCredentials)


async def test_an_expired_token_is_over_used_or_not(door: Door, email: str) -> None:
    first = await door.sign_up(email)
    unused = await door.sign_in(email)
    await door.refresh(first.refresh_token)
    door.clock.ahead = timedelta(days=30, seconds=5)

    for session in (first, unused):
        with pytest.raises(InvalidCredentials):
            await door.refresh(session.refresh_token)


@pytest.mark.parametrize("token", ["", "unknown", "\ud800", "x" * 1_000_000], ids=len)
async def test_an_unknown_token_is_refused(door: Door, token: str) -> None:
    with pytest.raises(InvalidCredentials):
        await door.refresh(token)


async def test_a_stored_hash_is_no_token(door: Door, email: str) -> None:
    signed_in = await door.sign_up(email)

    with pytest.raises(InvalidCredentials):
        await door.refresh(hashlib.sha256(signed_in.refresh_token.encode()).hexdigest())


async def test_a_refreshed_session_has_the_roles_of_today(door: Door, email: str) -> None:
    first = await door.sign_up(email)
    users = User.get_pymongo_collection()
    await users.update_one({"_id": first.user.id}, {"$set": {"roles": [Role.CONTRACTOR.value]}})

    second = await door.refresh(first.refresh_token)

    assert door.context(second).require().roles == {Role.CONTRACTOR}


# ------------------------------------------------------------------ signing out


async def test_signing_out_ends_this_session(door: Door, email: str) -> None:
    here = await door.sign_up(email)
    there = await door.sign_in(email)

    for _ in range(2):
        await door.sign_out(here)

    with pytest.raises(InvalidCredentials):
        await door.refresh(here.refresh_token)
    await door.refresh(there.refresh_token)


async def test_signing_out_everywhere_ends_ones_own_sessions_only(door: Door, email: str) -> None:
    sessions = [await door.sign_up(email), await door.sign_in(email)]
    somebody_else = await door.sign_up(f"other-{email}")

    await door.sign_out(sessions[0], everywhere=True)

    for session in sessions:
        with pytest.raises(InvalidCredentials):
            await door.refresh(session.refresh_token)
    await door.refresh(somebody_else.refresh_token)
    await door.refresh((await door.sign_in(email)).refresh_token)


async def test_nobody_cannot_sign_out(door: Door) -> None:
    with pytest.raises(Unauthenticated):
        await resolvers.identity.sign_out(door.context(None), SignOut(everywhere=True))


# ------------------------------------------------------------------ who sees and may do what


async def test_requires_somebody_and_then_a_role(door: Door, email: str) -> None:
    customer = door.context(await door.sign_up(email))

    with pytest.raises(Unauthenticated):
        door.context(None).require()
    assert customer.require().id == customer.require(Role.CONTRACTOR, Role.CUSTOMER).id
    with pytest.raises(Forbidden):
        customer.require(Role.ADMIN)


async def test_a_token_that_outlived_its_person_is_nobodys(door: Door, email: str) -> None:
    context = door.context(await door.sign_up(email))
    await User.get_pymongo_collection().delete_one({"_id": context.require().id})

    with pytest.raises(Unauthenticated):
        await resolvers.identity.me(context)


async def test_others_see_nobody_and_no_address_but_admins_do(door: Door, email: str) -> None:
    ada = (await door.sign_up(email)).user
    stranger = door.context(await door.sign_up(f"other-{email}"))
    admin = await identity.create_admin(
        door.runtime, email=f"admin-{email}", password=PASSWORD, display_name="Operations"
    )
    assert admin.roles == [Role.ADMIN]
    desk = door.context(await door.sign_in(f"admin-{email}"))

    assert await resolvers.identity.find_user(stranger, ada.id) is None
    found = await resolvers.identity.find_user(desk, ada.id)
    assert found is not None
    assert resolvers.identity.email_of(desk, found) == email


async def test_names_are_fetched_in_one_query_an_operation(door: Door, email: str) -> None:
    users = [(await door.sign_up(f"{n}-{email}", display_name=f"Person {n}")).user for n in range(3)]
    context = door.context(None)
    batches: list[list[str]] = []

    async def counted(ids: list[str]) -> dict[str, str]:
        batches.append(ids)
        return await identity.display_names(ids)

    loader = type(context.loaders.display_names)(counted)
    wanted = [user.id for user in users] * 2 + ["usr_nobody"]
    names = await asyncio.gather(*(loader.load(user_id) for user_id in wanted))

    assert names == ["Person 0", "Person 1", "Person 2"] * 2 + [None]
    assert await loader.load(users[0].id) == "Person 0"
    assert batches == [[*wanted[:3], "usr_nobody"]]
    assert await context.loaders.display_names.load(users[1].id) == "Person 1"


# ------------------------------------------------------------------ people that the house brings along


async def test_the_houses_own_people_are_made_once(door: Door, email: str) -> None:
    wanted = [
        person(f"demo-{email}", display_name="Demo", roles=(Role.CUSTOMER, Role.CONTRACTOR)),
        person(f"admin-{email}", display_name="Admin", roles=(Role.ADMIN,)),
    ]

    rounds = await asyncio.gather(*(identity.people.ensure(door.runtime, wanted) for _ in range(3)))
    again = await identity.people.ensure(door.runtime, [replace(wanted[0], password="another password")])

    assert len({tuple(user.id for user in users) for users in rounds}) == 1
    assert again[0].id == rounds[0][0].id
    assert (await door.sign_in(f"admin-{email}")).user.roles == [Role.ADMIN]
    assert (await door.sign_in(f"demo-{email}")).user.display_name == "Demo"


async def test_who_is_not_there_is_not_found(door: Door) -> None:
    assert await identity.find("usr_nobody") is None
    with pytest.raises(NotFound):
        await identity.get("usr_nobody")


async def test_every_look_up_has_its_index(door: Door, email: str) -> None:
    session = await door.sign_up(email)
    queries: list[tuple[type[User | Session], dict[str, Any]]] = [
        (User, {"email_hash": {"$in": [_hash(door, email)]}}),
        (Session, {"user_id": session.user.id, "revoked_at": None}),
    ]
    for model, query in queries:
        plan = await model.get_pymongo_collection().find(query).explain()
        assert "COLLSCAN" not in repr(plan["queryPlanner"]["winningPlan"])
    for expiring in (Session, RefreshToken):
        indexes = await expiring.get_pymongo_collection().index_information()
        assert indexes["expiry"]["expireAfterSeconds"] == 0


def _hash(door: Door, email: str) -> str:
    return door.runtime.cipher.lookup_hashes(email)[0]
