"""Whatever goes wrong at Stripe while an account for payouts is set up: in the end there is one of it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain import onboarding
from domain.gateway import StripeGateway
from domain.kernel.errors import PaymentProviderUnavailable
from domain.onboarding import Addresses, CreateConnectAccount
from server.runtime import gateway_config
from tests.house import House, Person
from tests.house.people import ADDRESSES
from tests.house.sandbox import FAULTS, TIMEOUTS

ACCOUNTS, ACCOUNT, LINKS = "/v1/accounts", "/v1/accounts/*", "/v1/account_links"
LOGIN_LINKS = "/v1/accounts/*/login_links"
# The SDK asks three times where it only reads.
READS = 3
READ_FAULTS = ["reset_before_commit", "truncate_after_commit", "error_503", "rate_limit_429", "error_401"]


def is_unavailable(payload: dict[str, Any]) -> bool:
    """The account stands, there is no link, and its maker is told to try again; or all is well."""
    assert payload["connectAccount"]["status"] == "INCOMPLETE"
    if not payload["userErrors"]:
        assert payload["onboardingLink"]["url"]
        return False
    [error] = payload["userErrors"]
    assert payload["onboardingLink"] is None
    assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_PROVIDER_UNAVAILABLE")
    return True


async def replayed(house: House, person: Person) -> dict[str, Any]:
    """The payload, once the replay answers without an error."""

    async def answered() -> dict[str, Any] | None:
        payload = await person.create_connect_account(key="payouts")
        assert payload["idempotency"]["replayed"] is True
        return None if is_unavailable(payload) else payload

    payload: dict[str, Any] = await house.until(answered)
    return payload


async def one_of_each(house: House, person: Person, account_id: str) -> None:
    """One account of theirs at Stripe, and ours is that one's."""
    accounts = await house.stripe.objects("account")
    [account] = [one for one in accounts if one["metadata"]["user_id"] == person.id]
    assert account["metadata"]["connect_account_id"] == account_id
    assert await house.acct(person) == account["id"]
    assert await house.count("connect_accounts", owner=person.id) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_replay_finishes_what_a_fault_cut_off(house: House, fault: str) -> None:
    grace = await house.contractor()
    await house.stripe.fault("POST", ACCOUNTS, fault)
    payload = await grace.create_connect_account(key="payouts")
    # Of what Stripe has made, its event may be here first.
    is_unavailable(payload)

    again = await replayed(house, grace)

    assert again["connectAccount"]["id"] == payload["connectAccount"]["id"]
    await one_of_each(house, grace, again["connectAccount"]["id"])


@pytest.mark.parametrize("fault", FAULTS)
async def test_another_call_finishes_what_a_fault_cut_off(house: House, fault: str) -> None:
    """Under another key, or for a link alone: neither begins another account."""
    grace = await house.contractor()
    await house.stripe.fault("POST", ACCOUNTS, fault)
    await house.stripe.webhooks(drop=1)
    payload = await grace.create_connect_account(key="payouts")
    assert is_unavailable(payload)

    async def answered() -> bool:
        return not (await grace.create_onboarding_link())["userErrors"]

    await house.until(answered)
    other = await grace.create_connect_account()

    assert other["connectAccount"]["id"] == payload["connectAccount"]["id"]
    await one_of_each(house, grace, other["connectAccount"]["id"])


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_finishes_what_a_fault_cut_off(house: House, fault: str) -> None:
    """Twice in a row: once while it is made, and once under the sweep's first round; and no event comes."""
    grace = await house.contractor()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", ACCOUNTS, fault, times=2)
    payload = await grace.create_connect_account(key="payouts")
    assert is_unavailable(payload)
    account = payload["connectAccount"]
    assert (account["observedAt"], account["requirementsDue"]) == (None, [])

    await house.stop_worker()
    try:
        for _ in range(4):
            house.clock.advance(minutes=4)
            await house.sweep()
    finally:
        await house.start_worker()

    await grace.refresh()
    await one_of_each(house, grace, account["id"])
    assert (await grace.connect_account() or {})["requirementsDue"] != []


async def test_what_is_refused_after_all_is_over(house: House) -> None:
    """Once the person is gone it is the sweep that hears of it; who asks for a link is told."""
    refused, swept = await house.contractor("refused"), await house.contractor("swept")
    for person in (refused, swept):
        await house.stripe.fault("POST", ACCOUNTS, "rate_limit_429")
        assert is_unavailable(await person.create_connect_account(key="payouts"))
    await house.stripe.fault("POST", ACCOUNTS, "error_400", times=2, code="country_unsupported")

    [error] = (await refused.create_onboarding_link())["userErrors"]
    assert error["code"] == "INVALID_STATE"
    house.clock.advance(minutes=2)
    await house.sweep()

    for person in (refused, swept):
        payload = await person.create_connect_account(key="payouts")
        assert (payload["connectAccount"]["status"], payload["onboardingLink"]) == ("REJECTED", None)
        assert [(one["code"], one["path"]) for one in payload["userErrors"]] == [
            ("INVALID_INPUT", ["country"])
        ]
        assert await person.connect_account() is None
    assert await house.stripe.objects("account") == []


async def test_a_call_that_is_never_answered_is_finished_too(house: House) -> None:
    config = gateway_config(house.settings.model_copy(update={"stripe_timeout_seconds": 0.5}))
    impatient = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    addresses = Addresses(return_url=ADDRESSES["returnUrl"], refresh_url=ADDRESSES["refreshUrl"])
    command = CreateConnectAccount(country="US", addresses=addresses, idempotency_key="payouts")
    runtime, budget = replace(house.runtime, gateway=impatient), house.limits.connect_accounts
    people = [await house.contractor(name) for name in ("grace", "mary")]
    await house.stripe.webhooks(drop=1)
    for fault in TIMEOUTS:
        await house.stripe.fault("POST", ACCOUNTS, fault)
    try:
        created = await asyncio.gather(
            *(onboarding.create(runtime, person.id, command, budget=budget) for person in people)
        )
    finally:
        await impatient.close()
    assert [type(one.refusal) for one in created] == [PaymentProviderUnavailable] * 2

    for person in people:
        payload = await replayed(house, person)
        await one_of_each(house, person, payload["connectAccount"]["id"])


async def test_racing_calls_under_faults_make_one(house: House) -> None:
    grace = await house.contractor()
    for fault in FAULTS:
        await house.stripe.fault("POST", ACCOUNTS, fault)

    async def persist(key: str) -> str:
        async def answered() -> str | None:
            payload = await grace.create_connect_account(key=key)
            return None if is_unavailable(payload) else payload["connectAccount"]["id"]

        return str(await house.until(answered))

    made = await asyncio.gather(*(persist(key) for key in ("payouts", "payouts", "others")))

    assert len(set(made)) == 1
    await one_of_each(house, grace, made[0])


async def test_a_spent_key_is_looked_up_and_followed_by_another(house: House) -> None:
    """Stripe keeps a 500 under the key, and has no such account: two empty lists, a minute apart, say so."""
    grace = await house.contractor()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", ACCOUNTS, "error_500_after_commit")
    payload = await grace.create_connect_account(key="payouts")
    assert is_unavailable(payload)
    [made] = await house.stripe.objects("account")
    await house.stripe.request("DELETE", f"/v1/accounts/{made['id']}")

    for _ in range(2):
        assert is_unavailable(await grace.create_connect_account(key="payouts"))
        house.clock.advance(seconds=61)
    again = await replayed(house, grace)

    assert await house.acct(grace) != made["id"]
    assert again["connectAccount"]["id"] == payload["connectAccount"]["id"]
    [row] = await house.collection("connect_accounts").find().to_list()
    assert row["attempt"]["key"].endswith(":create:2")


async def test_a_replayed_answer_is_as_old_as_the_first(house: House) -> None:
    """The account went on meanwhile, and was read: what its making answered is not written over that."""
    grace = await house.contractor()
    await house.stripe.fault("POST", ACCOUNTS, "reset_after_commit")
    await house.stripe.webhooks(drop=1)
    assert is_unavailable(await grace.create_connect_account(key="payouts"))
    [at_stripe] = await house.stripe.objects("account")
    await house.stripe.control(f"/accounts/{at_stripe['id']}/onboard", {"outcome": "active"})
    hint = {"type": "account.updated", "data": {"object": at_stripe}}
    fact = await onboarding.events.gather(house.runtime, hint)

    await replayed_without_status(house, grace)
    stored = await house.collection("webhook_events").find_one({})
    await house.runtime.database.transact(lambda tx: onboarding.events.apply(tx, house.runtime, stored, fact))

    account = await grace.connect_account()
    assert account is not None
    assert account["status"] == "ACTIVE"


async def replayed_without_status(house: House, person: Person) -> None:
    async def answered() -> bool:
        return not (await person.create_connect_account(key="payouts"))["userErrors"]

    await house.until(answered)


# ------------------------------------------------------------------ links


async def test_a_link_that_is_not_answered_can_be_asked_for_again(house: House) -> None:
    grace = await house.contractor()
    for fault in FAULTS:
        await house.stripe.fault("POST", LINKS, fault)
        payload = await grace.create_connect_account(key="payouts")
        assert is_unavailable(payload), fault
        await one_of_each(house, grace, payload["connectAccount"]["id"])
        assert not is_unavailable(await grace.create_connect_account(key="payouts")), fault

        await house.stripe.fault("POST", LINKS, fault)
        [error] = (await grace.create_onboarding_link())["userErrors"]
        assert error["code"] == "PAYMENT_PROVIDER_UNAVAILABLE", fault
        assert (await grace.create_onboarding_link())["userErrors"] == [], fault


async def test_what_stripe_has_against_a_link_is_told(house: House) -> None:
    grace = await house.contractor()
    await house.stripe.fault("POST", LINKS, "error_400", code="account_closed")
    payload = await grace.create_connect_account(key="payouts")
    assert payload["userErrors"][0]["code"] == "INVALID_STATE"
    assert payload["onboardingLink"] is None


async def test_the_dashboard_can_be_asked_for_again(house: House) -> None:
    grace = await house.onboarded()
    for fault in FAULTS:
        await house.stripe.fault("POST", LOGIN_LINKS, fault)
        [error] = (await grace.create_dashboard_link())["userErrors"]
        assert error["code"] == "PAYMENT_PROVIDER_UNAVAILABLE", fault
        assert (await grace.create_dashboard_link())["userErrors"] == [], fault


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize("fault", READ_FAULTS)
async def test_an_event_waits_until_stripe_answers(house: House, fault: str) -> None:
    grace = await house.contractor()
    await grace.create_connect_account()
    await house.quiet()
    acct = await house.acct(grace)
    await house.stripe.fault("GET", ACCOUNT, fault, times=READS)

    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "active"})

    await house.until(lambda: house.count("connect_accounts", status="ACTIVE"))
    await house.quiet()


async def test_nobody_waits_long_for_a_refresh(house: House) -> None:
    grace = await house.onboarded()
    account = await grace.connect_account()
    await house.stripe.fault("GET", ACCOUNT, "latency", latency_ms=5_000)

    async with asyncio.timeout(4.5):
        assert await grace.connect_account(refresh=True) == account


async def test_an_unanswered_account_is_asked_for_at_least_hourly(house: House) -> None:
    grace = await house.contractor()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", ACCOUNTS, "rate_limit_429", times=1000)
    assert is_unavailable(await grace.create_connect_account(key="payouts"))
    await house.stop_worker()
    waits = []
    try:
        for _ in range(9):
            [row] = await house.collection("connect_accounts").find().to_list()
            waits.append(row["next_attempt_at"] - house.clock())
            house.clock.advance(seconds=waits[-1].total_seconds() + 1)
            await house.sweep()
    finally:
        await house.start_worker()

    assert waits[-1] <= timedelta(hours=1) < 2 * waits[-1]
    await house.stripe.control("/faults", method="DELETE")
    await grace.refresh()
    payload = await replayed(house, grace)
    await one_of_each(house, grace, payload["connectAccount"]["id"])
