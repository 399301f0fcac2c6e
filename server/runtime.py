"""The runtime of a process, made of the settings: opened when it starts, closed when it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from domain import (
    adjustments,
    auditlog,
    customers,
    deposits,
    disputes,
    escrow,
    identity,
    inbox,
    ledger,
    methods,
    onboarding,
    refunds,
    treasury,
    withdrawals,
)
from domain.gateway import GatewayConfig, StripeGateway
from domain.identity import TokenIssuer
from domain.kernel.cipher import Cipher
from domain.kernel.clock import Clock, utc_now
from domain.kernel.database import Database
from domain.kernel.signer import Signer
from domain.runtime import Runtime
from server.doorbell import RedisDoorbell
from server.settings import Settings, reveal

# Stripe allows 25 requests a second with test keys and 100 with live ones, over all processes.
REQUESTS_PER_SECOND_TEST: Final = 15.0
REQUESTS_PER_SECOND_LIVE: Final = 30.0

DOCUMENTS: Final = (
    *ledger.DOCUMENTS,
    *identity.DOCUMENTS,
    *inbox.DOCUMENTS,
    *auditlog.DOCUMENTS,
    *customers.DOCUMENTS,
    *methods.DOCUMENTS,
    *deposits.DOCUMENTS,
    *escrow.DOCUMENTS,
    *onboarding.DOCUMENTS,
    *withdrawals.DOCUMENTS,
    *disputes.DOCUMENTS,
    *refunds.DOCUMENTS,
    *adjustments.DOCUMENTS,
    *treasury.DOCUMENTS,
)
# What subscriptions watch.
WATCHED: Final = ("connect_accounts", "deposits", "escrows", "wallets", "withdrawals")


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, now: Clock = utc_now, create_indexes: bool = False
) -> AsyncIterator[Runtime]:
    cipher = Cipher(reveal(settings.data_keys))
    database = await Database.open(
        settings.mongodb_url, settings.mongodb_database, DOCUMENTS, now=now, create_indexes=create_indexes
    )
    gateway = StripeGateway(gateway_config(settings), cipher=cipher, now=now)
    doorbell = RedisDoorbell(settings.redis_url)
    try:
        yield Runtime(
            database=database,
            gateway=gateway,
            doorbell=doorbell,
            cipher=cipher,
            signer=Signer(reveal(settings.checkpoint_key)),
            now=now,
            policy=settings.policy(),
        )
    finally:
        await doorbell.close()
        await gateway.close()
        await database.close()


def token_issuer(settings: Settings) -> TokenIssuer:
    pairs = (key.partition(":") for key in reveal(settings.jwt_keys))
    return TokenIssuer(
        {kid: secret for kid, _, secret in pairs},
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        access_minutes=settings.access_token_minutes,
        refresh_days=settings.refresh_token_days,
    )


def gateway_config(settings: Settings) -> GatewayConfig:
    share = REQUESTS_PER_SECOND_LIVE if settings.livemode else REQUESTS_PER_SECOND_TEST
    return GatewayConfig(
        secret_key=settings.stripe_secret_key.get_secret_value(),
        api_base=settings.stripe_api_base,
        timeout_s=settings.stripe_timeout_seconds,
        requests_per_second=settings.stripe_requests_per_second or share,
        circuit_failures=settings.circuit_failures,
        circuit_open_s=settings.circuit_open_seconds,
    )
