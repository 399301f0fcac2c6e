"""People and their sessions."""

import strawberry

import resolvers.identity
from domain.identity import Role, SignOut
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from schema.identity import (
    RefreshSessionInput,
    SessionPayload,
    SignInInput,
    SignOutInput,
    SignOutPayload,
    SignUpInput,
    User,
)
from schema.shared import Connection, DateTime, Info, answered


@strawberry.type
class PeopleQueries:
    @strawberry.field(description="The person who is signed in.")
    async def me(self, info: Info) -> User:
        return User.of(await resolvers.identity.me(info.context))

    @strawberry.field(
        description="ADMIN. People, newest first; `email` finds a whole address, for addresses are "
        "encrypted. `createdAfter` and `createdBefore`: who came in that time."
    )
    async def users(
        self,
        info: Info,
        email: str | None = None,
        role: Role | None = None,
        created_after: DateTime | None = None,
        created_before: DateTime | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[User]:
        request = PageRequest.of(first, after, last, before)
        joined = Search(created_after=created_after, created_before=created_before)
        page = await resolvers.identity.page(info.context, request, email=email, role=role, joined=joined)
        return Connection[User].of(page, User.of)


@strawberry.type
class PeopleMutations:
    @strawberry.mutation(description="Make a person and sign them in.")
    async def sign_up(self, info: Info, input: SignUpInput) -> SessionPayload:
        return await answered(SessionPayload, resolvers.identity.sign_up(info.context, input.to_command()))

    @strawberry.mutation(description="Sign in with e-mail address and password.")
    async def sign_in(self, info: Info, input: SignInInput) -> SessionPayload:
        return await answered(SessionPayload, resolvers.identity.sign_in(info.context, input.to_command()))

    @strawberry.mutation(
        description="Rotates: the old refresh token dies; using it again revokes the whole family."
    )
    async def refresh_session(self, info: Info, input: RefreshSessionInput) -> SessionPayload:
        return await answered(
            SessionPayload, resolvers.identity.refresh_session(info.context, input.to_command())
        )

    @strawberry.mutation(description="End this session, or every session of this person.")
    async def sign_out(self, info: Info, input: SignOutInput | None = None) -> SignOutPayload:
        await resolvers.identity.sign_out(info.context, SignOut() if input is None else input.to_command())
        return SignOutPayload()
