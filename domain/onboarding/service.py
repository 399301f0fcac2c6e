"""Onboarding's verbs: an account for payouts, one a person, and the ways to Stripe's pages about it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from domain.gateway import AccountLink, Refused, StripeTrouble
from domain.kernel.budget import Budget
from domain.kernel.database import CommitUnknown, Tx
from domain.kernel.errors import (
    ConnectAccountNotReady,
    ConnectAccountRequired,
    DomainError,
    InvalidInput,
    InvalidState,
    PaymentProviderUnavailable,
)
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with
from domain.kernel.urls import check_return_url
from domain.onboarding import creation, facts, reads
from domain.onboarding.documents import ConnectAccount, ConnectAccountStatus
from domain.runtime import Runtime

# How long a person waits for Stripe before what is stored answers.
PATIENCE_S: Final = 3.0
COUNTRY_UNSUPPORTED: Final = "country_unsupported"
_PATHS: Final = {"return_url": "returnUrl", "refresh_url": "refreshUrl"}


@dataclass(frozen=True)
class Addresses:
    """Where Stripe sends a person who leaves its pages, done or not; and one whose link is used up."""

    return_url: str
    refresh_url: str


@dataclass(frozen=True)
class CreateConnectAccount:
    """`country`: ISO 3166, two letters. `idempotency_key`: the caller's, one per intention."""

    country: str
    addresses: Addresses
    idempotency_key: str

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {
            "country": self.country,
            "returnUrl": self.addresses.return_url,
            "refreshUrl": self.addresses.refresh_url,
        }


@dataclass(frozen=True)
class Created:
    """`replayed`: this key made the account before. `refusal`: why there is no link to it."""

    account: ConnectAccount
    replayed: bool
    first_seen_at: datetime
    link: AccountLink | None = None
    refusal: DomainError | None = None


async def create(runtime: Runtime, owner: str, command: CreateConnectAccount, *, budget: Budget) -> Created:
    """Write the account, have Stripe make it, and answer with a fresh link to its onboarding.

    Whoever has a live account is answered with that one, and nothing is made. Raises InvalidInput,
    IdempotencyKeyReused, RateLimited: nothing is written then.
    """
    key = IdempotencyKey.of(
        actor=owner,
        mutation="createConnectAccount",
        key=command.idempotency_key,
        fields=command.fields(),
    )
    account, replayed = await _present(owner, key)
    if not replayed:
        _validate(runtime, command)
    if account is None:
        await budget.spend(owner, member=key.member)
        account, replayed = await _write(await _new(runtime, owner, command, key))
    own = account.idempotency.filter() == key.filter()
    created = Created(account, replayed, account.created_at if own else runtime.now())
    try:
        account = await _made(runtime, account)
        link = await _onboarding_link(runtime, account, command.addresses)
    except DomainError as refusal:
        return replace(created, account=await reads.get(account.id), refusal=refusal)
    return replace(created, account=account, link=link)


async def create_onboarding_link(runtime: Runtime, owner: str, addresses: Addresses) -> AccountLink:
    """A fresh link to the onboarding of `owner`'s account.

    Raises InvalidInput, ConnectAccountRequired, InvalidState (it is closed), PaymentProviderUnavailable.
    """
    _check(runtime, addresses)
    try:
        account = await _made(runtime, await _latest(owner))
    except InvalidInput as refused:
        # What Stripe will not have was said when it was begun, not now.
        raise InvalidState(refused.message) from refused
    return await _onboarding_link(runtime, account, addresses)


async def create_dashboard_link(runtime: Runtime, owner: str) -> str:
    """The address of the dashboard of `owner`'s account, for one visit: once its details were submitted.

    Raises ConnectAccountRequired, ConnectAccountNotReady, InvalidState (we are let in no more),
    PaymentProviderUnavailable.
    """
    account = await _latest(owner)
    try:
        if not account.details_submitted:
            # Its owner may have come from there this very moment, before Stripe's event.
            account = await refresh(runtime, account)
        if account.status is ConnectAccountStatus.DISCONNECTED:
            raise _closed()
        if account.stripe_id is None or not account.details_submitted:
            raise ConnectAccountNotReady("The set-up of this account is not finished.")
        return await runtime.gateway.create_login_link(account.stripe_id)
    except Refused as refused:
        raise InvalidState(refused.message) from refused
    except (StripeTrouble, CommitUnknown) as trouble:
        raise _unavailable() from trouble


async def of_owner(runtime: Runtime, owner: str, *, fresh: bool = False) -> ConnectAccount | None:
    """The live account, else the last that ended; None when there never was any.

    `fresh`: as Stripe says now, or, when it cannot, as we last heard, which `observed_at` tells.
    """
    account = await reads.latest(owner)
    if not fresh or account is None or account.stripe_id is None:
        return account
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await refresh(runtime, account)
    except (StripeTrouble, CommitUnknown, TimeoutError):
        return await reads.get(account.id)


async def refresh(runtime: Runtime, account: ConnectAccount) -> ConnectAccount:
    """The account as Stripe has it now; where its making was cut off, that goes on first.

    Raises StripeTrouble, CommitUnknown.
    """
    account = await creation.ensure(runtime, account)
    if account.stripe_id is None or account.status is ConnectAccountStatus.DISCONNECTED:
        return account
    observed_at = runtime.now()
    told = await runtime.gateway.account(account.stripe_id)

    async def work(tx: Tx) -> ConnectAccount:
        return await facts.record(
            tx,
            await reads.get(account.id, tx),
            told,
            observed_at=observed_at,
            actor=Actor.WORKER,
            recheck=runtime.policy.recheck,
        )

    return await runtime.database.transact(work)


def _validate(runtime: Runtime, command: CreateConnectAccount) -> None:
    countries = runtime.policy.connect_countries
    if command.country not in countries:
        raise InvalidInput(
            f"Accounts are not made in this country. They are in: {', '.join(countries)}.", path=["country"]
        )
    _check(runtime, command.addresses)


def _check(runtime: Runtime, addresses: Addresses) -> None:
    # Stripe sends people from its onboarding to no app's own scheme, and in live mode only to https.
    schemes = ("https",) if runtime.gateway.livemode else ("https", "http")
    check_return_url(addresses.return_url, path=["returnUrl"], schemes=schemes)
    check_return_url(addresses.refresh_url, path=["refreshUrl"], schemes=schemes)


async def _present(owner: str, key: IdempotencyKey) -> tuple[ConnectAccount | None, bool]:
    """The account that this key made, else the one that lives; and whether it was this key."""
    # In this order: what a racing call of the same key writes in between is found by its key.
    live = await reads.live_account(owner)
    first = await first_with(ConnectAccount, key)
    return first or live, first is not None


async def _new(
    runtime: Runtime, owner: str, command: CreateConnectAccount, key: IdempotencyKey
) -> ConnectAccount:
    account_id, now = new_id("cac"), runtime.now()
    status = ConnectAccountStatus.INCOMPLETE
    return ConnectAccount(
        id=account_id,
        owner=owner,
        country=command.country,
        status=status,
        history=[StatusChange(status=status, at=now, actor=Actor.OWNER)],
        idempotency=key,
        attempt=await creation.attempt(runtime, account_id, owner=owner, country=command.country),
        next_attempt_at=now + runtime.policy.recheck,
        created_at=now,
        updated_at=now,
    )


async def _write(account: ConnectAccount) -> tuple[ConnectAccount, bool]:
    """The account that this call, or a racing one that was first, wrote; and whether this key did before."""
    try:
        await account.insert()
    except DuplicateKeyError:
        present, replayed = await _present(account.owner, account.idempotency)
        # What was live a moment ago may be over by now.
        return (present, replayed) if present is not None else await _write(account)
    return account, False


async def _latest(owner: str) -> ConnectAccount:
    account = await reads.latest(owner)
    if account is None:
        raise ConnectAccountRequired("Set up an account for payouts first.")
    return account


async def _made(runtime: Runtime, account: ConnectAccount) -> ConnectAccount:
    """The account once Stripe has made it. Raises PaymentProviderUnavailable, and InvalidInput, refused."""
    try:
        account = await creation.ensure(runtime, account)
    except (StripeTrouble, CommitUnknown) as trouble:
        # What became of it is in the database; the next call, or the sweep, goes on from there.
        account = await reads.get(account.id)
        if account.is_unanswered:
            raise _unavailable() from trouble
    if account.stripe_id is None and account.failure is not None:
        path = ["country"] if account.failure.code == COUNTRY_UNSUPPORTED else []
        raise InvalidInput(account.failure.message, path=path)
    return account


async def _onboarding_link(runtime: Runtime, account: ConnectAccount, addresses: Addresses) -> AccountLink:
    if account.stripe_id is None or account.is_settled:
        raise _closed()
    try:
        return await runtime.gateway.create_account_link(
            account.stripe_id, return_url=addresses.return_url, refresh_url=addresses.refresh_url
        )
    except Refused as refused:
        path = _PATHS.get(refused.parameter or "")
        if path is None:
            raise InvalidState(refused.message) from refused
        raise InvalidInput(refused.message, path=[path]) from refused
    except StripeTrouble as trouble:
        raise _unavailable() from trouble


def _closed() -> InvalidState:
    return InvalidState("This account is closed. Another can be made, under a new idempotency key.")


def _unavailable() -> PaymentProviderUnavailable:
    return PaymentProviderUnavailable(
        "The payment provider cannot be reached now. Try again: nothing is made twice."
    )
