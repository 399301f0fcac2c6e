"""Accounts for payouts, as clients see them."""

import strawberry

from domain import gateway, onboarding
from domain.onboarding import Addresses, ConnectAccountStatus, CreateConnectAccount, Created
from schema.shared import URL, DateTime, Idempotency, Node, UserError, user_error

strawberry.enum(
    ConnectAccountStatus,
    description="Where an account for payouts stands. INCOMPLETE: its owner has not been through Stripe's "
    "pages. IN_REVIEW: Stripe looks at what was handed in. ACTION_REQUIRED: Stripe wants something more. "
    "ACTIVE: nothing is wanted. PAYOUTS_DISABLED: it receives money, but its bank account is not paid. "
    "REJECTED and DISCONNECTED are over: another one can be made. More may be added.",
)


@strawberry.type(description="Why something that was handed in did not do, in Stripe's words.")
class RequirementError:
    requirement: str = strawberry.field(description="What it is about, as `requirementsDue` names it.")
    code: str = strawberry.field(description="Stripe's stable code.")
    reason: str = strawberry.field(description="A sentence for a person.")

    @classmethod
    def of(cls, error: onboarding.RequirementError) -> "RequirementError":
        return cls(requirement=error.requirement, code=error.code, reason=error.reason)


@strawberry.type(
    description="A contractor's account at Stripe: where withdrawals go. At most one is not over."
)
class ConnectAccount(Node):
    status: ConnectAccountStatus = strawberry.field(description="Where it stands, by what Stripe says.")
    withdrawals_enabled: bool = strawberry.field(
        description="Whether money may leave to it now. It may even while something is due."
    )
    country: str = strawberry.field(description="ISO 3166 code of the country it is in.")
    payouts_enabled: bool = strawberry.field(description="Whether Stripe pays its bank account.")
    details_submitted: bool = strawberry.field(
        description="Whether its owner has been through Stripe's pages."
    )
    requirements_due: list[str] = strawberry.field(
        description="Stripe's names of what it wants now, the overdue first. An onboarding link leads there."
    )
    requirement_errors: list[RequirementError] = strawberry.field(
        description="Why something that was handed in did not do."
    )
    future_requirements_due: list[str] = strawberry.field(
        description="Stripe's names of what it will want, before a rule of its changes."
    )
    requirements_deadline: DateTime | None = strawberry.field(
        description="By when it is wanted, before Stripe closes parts of the account."
    )
    disabled_reason: str | None = strawberry.field(description="Stripe's code for why parts are closed.")
    observed_at: DateTime | None = strawberry.field(
        description="When Stripe last said so; null until it has made the account."
    )
    created_at: DateTime = strawberry.field(description="When it was begun.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")

    @classmethod
    def of(cls, account: onboarding.ConnectAccount) -> "ConnectAccount":
        return cls(
            id=strawberry.ID(account.id),
            status=account.status,
            withdrawals_enabled=account.withdrawals_enabled,
            country=account.country,
            payouts_enabled=account.payouts_enabled,
            details_submitted=account.details_submitted,
            requirements_due=account.requirements_due,
            requirement_errors=[RequirementError.of(error) for error in account.requirement_errors],
            future_requirements_due=account.future_requirements_due,
            requirements_deadline=account.requirements_deadline,
            disabled_reason=account.disabled_reason,
            observed_at=account.observed_at,
            created_at=account.created_at,
            updated_at=account.updated_at,
        )


@strawberry.type(description="A way to Stripe's pages, for one visit by the account's owner. Do not keep it.")
class OnboardingLink:
    url: URL = strawberry.field(description="Send the person there at once; never by mail.")
    expires_at: DateTime = strawberry.field(description="Minutes ahead.")

    @classmethod
    def of(cls, link: gateway.AccountLink) -> "OnboardingLink":
        return cls(url=URL(link.url), expires_at=link.expires_at)


@strawberry.input(description="An account for payouts to be set up.")
class CreateConnectAccountInput:
    return_url: URL = strawberry.field(
        description="Where Stripe sends the person back to. Being back does not mean being done: ask "
        "`connectAccount(refresh: true)`. https in live mode."
    )
    refresh_url: URL = strawberry.field(
        description="Where Stripe sends a person whose link is used up or too old: ask for another and send "
        "them on. https in live mode."
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    country: str = strawberry.field(
        default="US", description="ISO 3166 code of the country that the person is in; it cannot be changed."
    )

    def to_command(self) -> CreateConnectAccount:
        return CreateConnectAccount(
            country=self.country,
            addresses=Addresses(return_url=self.return_url, refresh_url=self.refresh_url),
            idempotency_key=self.idempotency_key,
        )


@strawberry.type(description="The account and a way to its onboarding, or why there is none.")
class CreateConnectAccountPayload:
    connect_account: ConnectAccount | None = strawberry.field(
        default=None, description="The new one, or the one that was there. Null when nothing was made."
    )
    onboarding_link: OnboardingLink | None = strawberry.field(
        default=None, description="Fresh with every answer, a replay's included."
    )
    idempotency: Idempotency | None = strawberry.field(
        default=None, description="What the key did: not replayed and no new account, where one was there."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Empty on success. When Stripe cannot be reached, or has refused, the error comes with "
        "the account.",
    )

    @classmethod
    def of(cls, created: Created) -> "CreateConnectAccountPayload":
        return cls(
            connect_account=ConnectAccount.of(created.account),
            onboarding_link=None if created.link is None else OnboardingLink.of(created.link),
            idempotency=Idempotency(replayed=created.replayed, first_seen_at=created.first_seen_at),
            user_errors=[] if created.refusal is None else [user_error(created.refusal)],
        )


@strawberry.input(description="Where Stripe sends the person afterwards.")
class CreateOnboardingLinkInput:
    return_url: URL = strawberry.field(description="As in CreateConnectAccountInput.")
    refresh_url: URL = strawberry.field(description="As in CreateConnectAccountInput.")

    def to_addresses(self) -> Addresses:
        return Addresses(return_url=self.return_url, refresh_url=self.refresh_url)


@strawberry.type(description="A fresh link, or why there is none.")
class CreateOnboardingLinkPayload:
    onboarding_link: OnboardingLink | None = strawberry.field(
        default=None, description="Null when there is none."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, link: gateway.AccountLink) -> "CreateOnboardingLinkPayload":
        return cls(onboarding_link=OnboardingLink.of(link))


@strawberry.type(description="The address of the dashboard, or why there is none.")
class CreateDashboardLinkPayload:
    url: URL | None = strawberry.field(
        default=None, description="For one visit by the account's owner. Do not keep it."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, url: str) -> "CreateDashboardLinkPayload":
        return cls(url=URL(url))
