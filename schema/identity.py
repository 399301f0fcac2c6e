"""People and sessions, as clients see them."""

from typing import Annotated

import strawberry

import resolvers.deposits
import resolvers.disputes
import resolvers.escrow
import resolvers.identity
import resolvers.refunds
import resolvers.withdrawals
from domain import identity
from domain.deposits import DepositStatus
from domain.disputes import DisputeStatus
from domain.escrow import EscrowSide, EscrowStatus
from domain.identity import NewPerson, RefreshSession, Role, SignedIn, SignIn, SignOut
from domain.kernel.pages import PageRequest
from domain.refunds import RefundStatus
from domain.withdrawals import WithdrawalStatus
from schema.deposits import Deposit
from schema.disputes import Dispute
from schema.escrow import Escrow
from schema.refunds import Refund
from schema.shared import Connection, DateTime, Info, Node, UserError
from schema.withdrawals import Withdrawal

strawberry.enum(Role, description="What a person may do. ADMIN is granted, never chosen at sign-up.")


@strawberry.type(description="A person, as they and admins see them.")
class User(Node):
    document: strawberry.Private[identity.User]
    display_name: str = strawberry.field(description="The name that the person goes by.")
    roles: list[Role] = strawberry.field(description="What the person may do.")
    created_at: DateTime = strawberry.field(description="When the person signed up.")

    @strawberry.field(description="The address that the person signs in with: for themselves and admins.")
    def email(self, info: Info) -> str:
        return resolvers.identity.email_of(info.context, self.document)

    @strawberry.field(description="The person's deposits, newest first.")
    async def deposits(
        self,
        info: Info,
        status: list[DepositStatus] | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Deposit]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.deposits.page_of(info.context, self.id, request, statuses=status)
        return Connection[Deposit].of(page, Deposit.of)

    @strawberry.field(description="The escrows to which the person is a party, newest first.")
    async def escrows(
        self,
        info: Info,
        as_: Annotated[
            EscrowSide | None,
            strawberry.argument(name="as", description="Only those on this side; on either when absent."),
        ] = None,
        status: list[EscrowStatus] | None = None,
        job_id: str | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Escrow]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.escrow.page_of(
            info.context, self.id, request, side=as_, statuses=status, job_id=job_id
        )
        return Connection[Escrow].of(page, Escrow.of)

    @strawberry.field(description="The person's withdrawals, newest first.")
    async def withdrawals(
        self,
        info: Info,
        status: list[WithdrawalStatus] | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Withdrawal]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.withdrawals.page_of(info.context, self.id, request, statuses=status)
        return Connection[Withdrawal].of(page, Withdrawal.of)

    @strawberry.field(description="The person's refunds, newest first.")
    async def refunds(
        self,
        info: Info,
        status: list[RefundStatus] | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Refund]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.refunds.page_of(info.context, self.id, request, statuses=status)
        return Connection[Refund].of(page, Refund.of)

    @strawberry.field(description="The disputes about the person's payments, newest first.")
    async def disputes(
        self,
        info: Info,
        status: list[DisputeStatus] | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Dispute]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.disputes.page_of(info.context, self.id, request, statuses=status)
        return Connection[Dispute].of(page, Dispute.of)

    @classmethod
    def of(cls, document: identity.User) -> "User":
        """Only for the person themself, and for admins."""
        return cls(
            id=strawberry.ID(document.id),
            document=document,
            display_name=document.display_name,
            roles=document.roles,
            created_at=document.created_at,
        )


@strawberry.type(description="A person who is signed in, and the two tokens that keep them so.")
class Session:
    access_token: str = strawberry.field(
        description="Send it as `Authorization: Bearer ...`, or in a socket's connection_init payload."
    )
    access_token_expires_at: DateTime = strawberry.field(description="When the access token stops working.")
    refresh_token: str = strawberry.field(description="Good once, for `refreshSession`. Keep it secret.")
    refresh_token_expires_at: DateTime = strawberry.field(description="When the refresh token stops working.")
    user: User = strawberry.field(description="The person.")

    @classmethod
    def of(cls, signed_in: SignedIn) -> "Session":
        return cls(
            access_token=signed_in.access_token,
            access_token_expires_at=signed_in.access_token_expires_at,
            refresh_token=signed_in.refresh_token,
            refresh_token_expires_at=signed_in.refresh_token_expires_at,
            user=User.of(signed_in.user),
        )


@strawberry.input(description="A new person.")
class SignUpInput:
    email: str = strawberry.field(description="The address to sign in with. Letter case makes no difference.")
    password: str = strawberry.field(description="At least 8 characters, at most 128 bytes.")
    display_name: str = strawberry.field(description="1 to 100 characters; other parties see it.")
    roles: list[Role] = strawberry.field(description="CUSTOMER and/or CONTRACTOR.")

    def to_command(self) -> NewPerson:
        return NewPerson(
            email=self.email,
            password=self.password,
            display_name=self.display_name,
            roles=tuple(self.roles),
        )


@strawberry.input(description="Who signs in.")
class SignInInput:
    email: str = strawberry.field(description="The address of the sign-up. Letter case makes no difference.")
    password: str = strawberry.field(description="The password.")

    def to_command(self) -> SignIn:
        return SignIn(email=self.email, password=self.password)


@strawberry.input(description="The session to go on with.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The newest refresh token of the session.")

    def to_command(self) -> RefreshSession:
        return RefreshSession(refresh_token=self.refresh_token)


@strawberry.input(description="What to sign out of.")
class SignOutInput:
    everywhere: bool = strawberry.field(
        default=False, description="End every session of this person, not only the one that asks."
    )

    def to_command(self) -> SignOut:
        return SignOut(everywhere=self.everywhere)


@strawberry.type(description="A session, or why there is none.")
class SessionPayload:
    session: Session | None = strawberry.field(default=None, description="The session; null when refused.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, signed_in: SignedIn) -> "SessionPayload":
        return cls(session=Session.of(signed_in))


@strawberry.type(description="Whether signing out worked.")
class SignOutPayload:
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")
