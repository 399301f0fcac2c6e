"""Accounts for payouts."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.onboarding
from schema.connect import (
    ConnectAccount,
    CreateConnectAccountInput,
    CreateConnectAccountPayload,
    CreateDashboardLinkPayload,
    CreateOnboardingLinkInput,
    CreateOnboardingLinkPayload,
)
from schema.shared import Info, answered


@strawberry.type
class ConnectQueries:
    @strawberry.field(
        description="The viewer's account for payouts, else the last that ended; null when there was none. "
        "`refresh`: ask Stripe before answering; while it cannot be reached, as it was last seen, see "
        "`observedAt`."
    )
    async def connect_account(self, info: Info, refresh: bool = False) -> ConnectAccount | None:
        account = await resolvers.onboarding.own(info.context, fresh=refresh)
        return None if account is None else ConnectAccount.of(account)


@strawberry.type
class ConnectMutations:
    @strawberry.mutation(
        description="Set up an account for payouts at Stripe. Whoever has one that is not over is answered "
        "with that."
    )
    async def create_connect_account(
        self, info: Info, input: CreateConnectAccountInput
    ) -> CreateConnectAccountPayload:
        return await answered(
            CreateConnectAccountPayload, resolvers.onboarding.create(info.context, input.to_command())
        )

    @strawberry.mutation(description="A fresh link to Stripe's onboarding of the viewer's account.")
    async def create_onboarding_link(
        self, info: Info, input: CreateOnboardingLinkInput
    ) -> CreateOnboardingLinkPayload:
        return await answered(
            CreateOnboardingLinkPayload,
            resolvers.onboarding.create_onboarding_link(info.context, input.to_addresses()),
        )

    @strawberry.mutation(
        description="The way to Stripe's dashboard of the viewer's account, once its details were submitted."
    )
    async def create_dashboard_link(self, info: Info) -> CreateDashboardLinkPayload:
        return await answered(
            CreateDashboardLinkPayload, resolvers.onboarding.create_dashboard_link(info.context)
        )


@strawberry.type
class ConnectSubscriptions:
    @strawberry.subscription(
        description="The viewer's account now, then at each change; null while there is none. Completes when "
        "it is REJECTED or DISCONNECTED."
    )
    async def connect_account_updated(self, info: Info) -> AsyncIterator[ConnectAccount | None]:
        async for account in resolvers.onboarding.watch(info.context):
            yield None if account is None else ConnectAccount.of(account)
