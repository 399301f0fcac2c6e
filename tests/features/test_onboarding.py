"""Accounts for payouts: one a person, shown as Stripe says, by whatever way we hear of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from ulid import ULID

from domain import onboarding
from domain.gateway import GatewayConfig, StripeGateway
from domain.kernel.errors import InvalidInput
from domain.onboarding import Addresses
from tests.house import House, Person
from tests.house.people import ADDRESSES, CREATE_CONNECT_ACCOUNT, CREATE_DASHBOARD_LINK
from tests.house.sandbox import CONNECT_WEBHOOK_SECRET, WEBHOOK_SECRET

ACCOUNT, ACCOUNTS, LINKS = "/v1/accounts/*", "/v1/accounts", "/v1/account_links"
NODE = "query ($id: ID!) { node(id: $id) { id ... on ConnectAccount { status } } }"
UPDATES = "subscription { connectAccountUpdated { id status withdrawalsEnabled } }"
ENDPOINTS = {
    "PLATFORM": ("/webhooks/stripe", WEBHOOK_SECRET),
    "CONNECT": ("/webhooks/stripe/connect", CONNECT_WEBHOOK_SECRET),
}


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.contractor()


def refusal(payload: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The only error's code and path."""
    [error] = payload["userErrors"]
    return error["code"], error["path"]


async def account_of(person: Person, *, refresh: bool = False) -> dict[str, Any]:
    account = await person.connect_account(refresh=refresh)
    assert account is not None
    return account


async def reaches(house: House, person: Person, status: str) -> dict[str, Any]:
    """The account once it is in `status`, by what events told."""

    async def reached() -> dict[str, Any] | None:
        account = await account_of(person)
        return account if account["status"] == status else None

    account: dict[str, Any] = await house.until(reached)
    return account


async def heard_of_all(house: House) -> None:
    """Stripe has told everything, and all of it is done with."""

    async def told() -> bool:
        return await house.deliveries_due() == 0

    await house.until(told)
    await house.quiet()


async def restricted(house: House, person: Person, *due: str, **more: Any) -> dict[str, Any]:
    return await house.onboard(person, "restricted", requirements=list(due), **more)


async def alerts(house: House, code: str) -> float:
    text = (await house.http.get(f"{house.url}/metrics")).text
    name = f'jobsphere_alerts_total{{code="{code}"}} '
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0)


# ------------------------------------------------------------------ setting it up


async def test_a_contractor_sets_up_an_account(house: House, grace: Person) -> None:
    payload = await grace.create_connect_account()

    assert payload["userErrors"] == []
    account = payload["connectAccount"]
    assert (account["status"], account["country"], account["detailsSubmitted"]) == ("INCOMPLETE", "US", False)
    assert (account["withdrawalsEnabled"], account["payoutsEnabled"]) == (False, False)
    assert "external_account" in account["requirementsDue"]
    assert payload["idempotency"] == {"replayed": False, "firstSeenAt": account["createdAt"]}
    [at_stripe] = await house.stripe.objects("account")
    assert at_stripe["metadata"] == {"user_id": grace.id, "connect_account_id": account["id"]}
    assert (at_stripe["email"], at_stripe["country"]) == (grace.email, "US")
    assert at_stripe["controller"]["stripe_dashboard"]["type"] == "express"
    assert at_stripe["capabilities"] == {"transfers": "inactive"}
    assert await grace.connect_account() == account


async def test_the_link_leads_through_stripes_pages_and_back(house: House, grace: Person) -> None:
    link = (await grace.create_connect_account())["onboardingLink"]
    left = datetime.fromisoformat(link["expiresAt"]) - house.clock()
    assert timedelta() < left <= timedelta(minutes=10)

    opened = await house.stripe.http.get(link["url"])
    answer = await house.stripe.http.post(opened.headers["location"], data={"outcome": "active"})

    assert (answer.status_code, answer.headers["location"]) == (303, ADDRESSES["returnUrl"])
    assert (await account_of(grace, refresh=True))["status"] == "ACTIVE"
    # It is good for one visit; then the person is sent to where another is made for them.
    again = await house.stripe.http.get(link["url"])
    assert again.headers["location"] == ADDRESSES["refreshUrl"]
    fresh = (await grace.create_onboarding_link())["onboardingLink"]
    assert (await house.stripe.http.get(fresh["url"])).headers["location"].startswith("/connect/")


async def test_a_replay_answers_like_the_first_call_with_a_fresh_link(house: House, grace: Person) -> None:
    first = await grace.create_connect_account(key="payouts")
    again = await grace.create_connect_account(key="payouts")

    assert again["connectAccount"] == first["connectAccount"]
    assert again["idempotency"] == first["idempotency"] | {"replayed": True}
    assert again["onboardingLink"]["url"] != first["onboardingLink"]["url"]
    assert len(await house.stripe.objects("account")) == 1
    # Links are for one visit: none of them is kept.
    [row] = await house.collection("connect_accounts").find().to_list()
    assert "connect/setup" not in repr(row)


@pytest.mark.parametrize(
    ("field", "value"),
    [("country", "US "), ("returnUrl", "https://x.example"), ("refreshUrl", "https://x.example")],
)
async def test_a_key_stands_for_one_input(house: House, grace: Person, field: str, value: str) -> None:
    await grace.create_connect_account(key="payouts")
    payload = await grace.create_connect_account(key="payouts", **{field: value})

    assert refusal(payload) == ("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])
    assert payload["userErrors"][0]["conflictingFields"] == [field]
    assert payload["connectAccount"] is payload["onboardingLink"] is None


async def test_another_key_finds_the_account_that_lives(house: House, grace: Person) -> None:
    first = await grace.create_connect_account()
    other = await grace.create_connect_account()

    assert other["connectAccount"] == first["connectAccount"]
    assert other["userErrors"] == []
    assert other["idempotency"]["replayed"] is False
    assert other["onboardingLink"]["url"] != first["onboardingLink"]["url"]
    assert len(await house.stripe.objects("account")) == await house.count("connect_accounts") == 1


@pytest.mark.parametrize("keys", [1, 10])
async def test_of_ten_racing_calls_one_makes_the_account(house: House, grace: Person, keys: int) -> None:
    payloads = await asyncio.gather(
        *(grace.create_connect_account(key=f"payouts {number % keys}") for number in range(10))
    )

    assert [payload["userErrors"] for payload in payloads] == [[]] * 10
    assert len({payload["connectAccount"]["id"] for payload in payloads}) == 1
    assert len({payload["onboardingLink"]["url"] for payload in payloads}) == 10
    replays = sum(payload["idempotency"]["replayed"] for payload in payloads)
    assert replays == (9 if keys == 1 else 0)
    assert len(await house.stripe.objects("account")) == await house.count("connect_accounts") == 1


@pytest.mark.parametrize("end", ["rejected", "deauthorized"])
async def test_after_its_end_another_can_be_made(house: House, grace: Person, end: str) -> None:
    old = (await grace.create_connect_account(key="old"))["connectAccount"]
    await house.onboard(grace, end)
    await reaches(house, grace, "REJECTED" if end == "rejected" else "DISCONNECTED")
    await heard_of_all(house)
    closed = await account_of(grace)
    assert (closed["id"], closed["withdrawalsEnabled"]) == (old["id"], False)
    assert refusal(await grace.create_onboarding_link()) == ("INVALID_STATE", [])

    new = await grace.create_connect_account(key="new")

    assert new["userErrors"] == []
    assert new["connectAccount"]["id"] != old["id"]
    assert await grace.connect_account() == new["connectAccount"]
    # The old key still stands for the old account, which has no way in any more.
    replay = await grace.create_connect_account(key="old")
    assert replay["connectAccount"] == closed
    assert (replay["onboardingLink"], refusal(replay)) == (None, ("INVALID_STATE", []))
    assert replay["idempotency"]["replayed"] is True


async def test_a_country_that_is_not_configured_is_refused(house: House, grace: Person) -> None:
    for country in ("GB", "us", "", "U"):
        payload = await grace.create_connect_account(country=country)
        assert refusal(payload) == ("INVALID_INPUT", ["country"])
        assert payload["connectAccount"] is payload["idempotency"] is None
    assert await house.count("connect_accounts") == len(await house.stripe.objects("account")) == 0


async def test_what_stripe_refuses_is_told_and_over(house: House, grace: Person) -> None:
    await house.stripe.fault("POST", ACCOUNTS, "error_400", code="country_unsupported")

    for replayed in (False, True):
        payload = await grace.create_connect_account(key="payouts")
        assert refusal(payload) == ("INVALID_INPUT", ["country"])
        assert (payload["connectAccount"]["status"], payload["onboardingLink"]) == ("REJECTED", None)
        assert payload["idempotency"]["replayed"] is replayed

    assert await grace.connect_account() is None
    assert refusal(await grace.create_onboarding_link()) == ("CONNECT_ACCOUNT_REQUIRED", [])
    assert (await grace.create_connect_account())["userErrors"] == []
    assert len(await house.stripe.objects("account")) == 1


@pytest.mark.parametrize("field", ["returnUrl", "refreshUrl"])
async def test_an_address_that_nobody_can_be_sent_to_is_refused(
    house: House, grace: Person, field: str
) -> None:
    for url in (
        *("", "done", "/done", "//app.example.com", "javascript:alert(1)", "myapp://done", "https://"),
        *("https://a b/", "https://app.example.com/" + "x" * 2_048),
    ):
        assert refusal(await grace.create_connect_account(**{field: url})) == ("INVALID_INPUT", [field]), url
        assert refusal(await grace.create_onboarding_link(**{field: url})) == ("INVALID_INPUT", [field]), url
    assert await house.count("connect_accounts") == 0


async def test_in_live_mode_addresses_are_https(house: House, grace: Person) -> None:
    await grace.create_connect_account()
    config = GatewayConfig(secret_key="sk_live_nobody", api_base=house.sandbox.url)
    live = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    plain = Addresses(return_url="http://app.example.com", refresh_url=ADDRESSES["refreshUrl"])
    try:
        with pytest.raises(InvalidInput) as refused:
            await onboarding.create_onboarding_link(replace(house.runtime, gateway=live), grace.id, plain)
    finally:
        await live.close()
    assert refused.value.path == ("returnUrl",)
    assert (await grace.create_onboarding_link(returnUrl=plain.return_url))["userErrors"] == []


async def test_two_an_hour_may_be_begun_and_what_begins_none_does_not_count(
    house: House, grace: Person
) -> None:
    async with house.limited(connect_accounts="2/hour"):
        for key in ("first", "second"):
            assert (await grace.create_connect_account(key=key))["userErrors"] == []
            assert (await grace.create_connect_account(key=key))["userErrors"] == []
            assert (await grace.create_connect_account())["userErrors"] == []
            assert refusal(await grace.create_connect_account(country="GB"))[0] == "INVALID_INPUT"
            await house.onboard(grace, "rejected")

        payload = await grace.create_connect_account()
        assert refusal(payload) == ("RATE_LIMITED", [])
        assert payload["userErrors"][0]["__typename"] == "RateLimitedError"
        assert (payload["userErrors"][0]["limit"], payload["userErrors"][0]["windowSeconds"]) == (2, 3600)
        assert payload["connectAccount"] is None
        assert (await grace.create_connect_account(key="second"))["idempotency"]["replayed"] is True
    assert len(await house.stripe.objects("account")) == 2


async def test_only_contractors_set_one_up_and_anybody_may_ask(house: House) -> None:
    ada, nobody = await house.customer(), house.nobody()
    variables = {"input": {**ADDRESSES, "idempotencyKey": str(ULID())}}

    for query, given in ((CREATE_CONNECT_ACCOUNT, variables), (CREATE_DASHBOARD_LINK, {})):
        assert (await ada.ask(query, given)).code == "FORBIDDEN"
        assert (await nobody.ask(query, given)).code == "UNAUTHENTICATED"
    assert await ada.connect_account() is await ada.connect_account(refresh=True) is None
    assert (await nobody.ask("{ connectAccount { id } }")).code == "UNAUTHENTICATED"
    assert await house.count("connect_accounts") == 0


async def test_its_owner_and_admins_see_it_by_its_id(house: House, grace: Person) -> None:
    account = (await grace.create_connect_account())["connectAccount"]
    seen = {"id": account["id"], "status": "INCOMPLETE"}

    for viewer, expected in (
        (grace, seen),
        (await house.admin(), seen),
        (await house.contractor("eve"), None),
    ):
        assert (await viewer.data(NODE, {"id": account["id"]}))["node"] == expected


# ------------------------------------------------------------------ where it stands


@pytest.mark.parametrize(
    ("outcome", "status", "enabled"),
    [
        ("in_review", "IN_REVIEW", False),
        ("active", "ACTIVE", True),
        ("restricted", "ACTION_REQUIRED", False),
        ("payouts_disabled", "PAYOUTS_DISABLED", False),
        ("rejected", "REJECTED", False),
        ("deauthorized", "DISCONNECTED", False),
    ],
)
async def test_events_tell_where_it_stands(
    house: House, grace: Person, outcome: str, status: str, enabled: bool
) -> None:
    await grace.create_connect_account()
    acct = await house.acct(grace)

    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": outcome})

    account = await reaches(house, grace, status)
    assert account["withdrawalsEnabled"] is enabled
    await house.quiet()
    rows = await house.collection("webhook_events").find({"account": acct}).to_list()
    assert {row["outcome"] for row in rows} == {grace.id}


async def test_it_can_go_back_any_day_and_money_is_stopped_by_its_own_switch(house: House) -> None:
    grace = await house.onboarded()
    late = int((house.clock() + timedelta(days=3)).timestamp())

    warned = await restricted(house, grace, "individual.verification.document", deadline=late)
    assert (warned["status"], warned["withdrawalsEnabled"]) == ("ACTION_REQUIRED", True)
    assert warned["requirementsDue"] == ["individual.verification.document"]
    assert datetime.fromisoformat(warned["requirementsDeadline"]).timestamp() == late
    assert await onboarding.live_account(grace.id) is not None
    assert onboarding.blocker_of(await onboarding.live_account(grace.id)) is None

    stopped = await restricted(house, grace, "individual.verification.document")
    assert (stopped["status"], stopped["withdrawalsEnabled"]) == ("ACTION_REQUIRED", False)
    assert stopped["disabledReason"] == "requirements.past_due"
    [error] = stopped["requirementErrors"]
    assert error["requirement"] == "individual.verification.document"
    blocker = onboarding.blocker_of(await onboarding.live_account(grace.id))
    assert blocker is not None
    assert blocker.code == "ONBOARDING_REQUIREMENT"
    assert "individual.verification.document" in blocker.message
    assert error["reason"] in blocker.message


async def test_refresh_asks_stripe(house: House, grace: Person) -> None:
    before = (await grace.create_connect_account())["connectAccount"]
    await house.stripe.webhooks(drop=1)
    acct = await house.acct(grace)
    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "active"})

    assert (await account_of(grace))["status"] == "INCOMPLETE"
    account = await account_of(grace, refresh=True)

    assert account["status"] == "ACTIVE"
    assert account["updatedAt"] > before["updatedAt"]
    # The same again is no change, but it is known that it was asked.
    again = await account_of(grace, refresh=True)
    assert again["observedAt"] > account["observedAt"]
    assert again | {"observedAt": None} == account | {"observedAt": None}
    assert await account_of(grace) == again


@pytest.mark.parametrize("fault", ["error_503", "error_401", "reset_before_commit", "rate_limit_429"])
async def test_while_stripe_is_away_what_is_stored_answers(house: House, grace: Person, fault: str) -> None:
    account = (await grace.create_connect_account())["connectAccount"]
    await house.quiet()
    account = await account_of(grace)
    await house.stripe.fault("GET", ACCOUNT, fault, times=3)

    assert await account_of(grace, refresh=True) == account


async def test_a_lost_event_is_made_up_for_by_the_sweep(house: House, grace: Person) -> None:
    await grace.create_connect_account()
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    acct = await house.acct(grace)
    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "active"})
    await house.stop_worker()
    try:
        waits = []
        for _ in range(14):
            [row] = await house.collection("connect_accounts").find().to_list()
            waits.append(row["next_attempt_at"] - house.clock())
            house.clock.advance(seconds=waits[-1].total_seconds() + 1)
            await house.sweep()
    finally:
        await house.start_worker()

    await grace.refresh()
    assert (await account_of(grace))["status"] == "ACTIVE"
    # It changed: so it is looked at again soon, and then ever more rarely, but each day.
    minutes = [round(wait.total_seconds() / 60) for wait in waits[1:]]
    assert minutes == [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440]


# ------------------------------------------------------------------ the dashboard


async def test_the_dashboard_opens_once_the_details_are_submitted(house: House, grace: Person) -> None:
    assert refusal(await grace.create_dashboard_link()) == ("CONNECT_ACCOUNT_REQUIRED", [])
    assert refusal(await grace.create_onboarding_link()) == ("CONNECT_ACCOUNT_REQUIRED", [])
    await grace.create_connect_account()
    payload = await grace.create_dashboard_link()
    assert (payload["url"], refusal(payload)) == (None, ("CONNECT_ACCOUNT_NOT_READY", []))

    # They were, a moment ago: no event has come yet.
    await house.stripe.webhooks(drop=1)
    acct = await house.acct(grace)
    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "in_review"})
    payload = await grace.create_dashboard_link()

    assert payload["userErrors"] == []
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        assert (await browser.get(payload["url"])).status_code == 200


async def test_the_dashboard_of_a_disconnected_account_is_closed(house: House, grace: Person) -> None:
    await grace.create_connect_account()
    await house.onboard(grace, "deauthorized")
    await reaches(house, grace, "DISCONNECTED")

    assert refusal(await grace.create_dashboard_link()) == ("INVALID_STATE", [])
    assert refusal(await grace.create_onboarding_link()) == ("INVALID_STATE", [])


# ------------------------------------------------------------------ what events say, and do not


def event(type_: str, body: Mapping[str, Any], account: str | None = None) -> dict[str, Any]:
    return {
        "id": f"evt_{ULID()}",
        "object": "event",
        "api_version": "2026-05-27.dahlia",
        "created": 1_700_000_000,
        "data": {"object": dict(body)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
    } | ({} if account is None else {"account": account})


async def handled(house: House, endpoint: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The event's row once it is done with."""
    route, secret = ENDPOINTS[endpoint]
    response = await house.deliver(event, route=route, secret=secret)
    assert response.status_code == 200

    async def row() -> dict[str, Any] | None:
        done = {"_id": event["id"], "status": {"$in": ["PROCESSED", "IGNORED", "DEAD"]}}
        found: dict[str, Any] | None = await house.collection("webhook_events").find_one(done)
        return found

    answer: dict[str, Any] = await house.until(row)
    return answer


@pytest.mark.parametrize("endpoint", sorted(ENDPOINTS))
@pytest.mark.parametrize("kind", ["account.updated", "capability.updated", "person.updated"])
async def test_each_event_of_either_endpoint_makes_us_look(
    house: House, grace: Person, endpoint: str, kind: str
) -> None:
    """Whatever it says itself: the account becomes what Stripe has."""
    await grace.create_connect_account()
    await house.stripe.webhooks(drop=1)
    acct = await house.acct(grace)
    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "active"})
    [at_stripe] = await house.stripe.objects("account")
    told = {
        "account.updated": at_stripe | {"details_submitted": False},
        "capability.updated": {"id": "transfers", "object": "capability", "account": acct},
        "person.updated": {"id": "person_1", "object": "person", "account": acct, "created": 1},
    }[kind]
    if kind == "capability.updated":
        path = f"/v1/accounts/{acct}/capabilities/transfers"
        told = await house.stripe.request("GET", path)

    row = await handled(house, endpoint, event(kind, told, acct if endpoint == "CONNECT" else None))

    assert (row["status"], row["outcome"]) == ("PROCESSED", grace.id)
    assert (await account_of(grace))["status"] == "ACTIVE"


async def test_an_older_answer_is_not_written_over_a_newer(house: House) -> None:
    grace = await house.onboarded()
    account = await onboarding.live_account(grace.id)
    assert account is not None
    hint = event("account.updated", {"id": account.stripe_id, "object": "account"})
    early = await onboarding.events.gather(house.runtime, hint)
    house.clock.advance(seconds=1)
    stopped = await house.onboard(grace, "payouts_disabled")
    await house.quiet()
    stored = await house.collection("webhook_events").find_one({})

    await house.runtime.database.transact(
        lambda tx: onboarding.events.apply(tx, house.runtime, stored, early)
    )

    assert (await account_of(grace))["status"] == stopped["status"] == "PAYOUTS_DISABLED"


async def test_an_account_of_another_system_is_let_be(house: House) -> None:
    made = await house.stripe.request("POST", ACCOUNTS, {"country": "US", "type": "express"})
    row = await handled(house, "CONNECT", event("account.updated", made, made["id"]))
    assert (row["outcome"], await house.count("findings")) == ("not ours", 0)


async def test_an_account_that_claims_to_be_ours_is_looked_into(house: House) -> None:
    metadata = {"country": "US", "type": "express", "metadata[connect_account_id]": "cac_nobody"}
    before = await alerts(house, "UNMATCHED_EVENT")
    made = await house.stripe.request("POST", ACCOUNTS, metadata)
    row = await handled(house, "CONNECT", event("account.updated", made, made["id"]))
    assert row["outcome"] == "UNMATCHED"
    finding = await house.collection("findings").find_one({"event_id": row["_id"]})
    assert finding["kind"] == "UNMATCHED"
    assert await alerts(house, "UNMATCHED_EVENT") > before


async def test_the_event_may_outrun_our_own_answer(house: House, grace: Person) -> None:
    account = (await grace.create_connect_account())["connectAccount"]
    await house.quiet()
    acct = await house.acct(grace)
    [at_stripe] = await house.stripe.objects("account")
    forgotten = {"stripe_id": None, "observed_at": None}
    await house.collection("connect_accounts").update_one({}, {"$set": forgotten})

    await handled(house, "CONNECT", event("account.updated", at_stripe, acct))

    assert await house.acct(grace) == acct
    assert (await account_of(grace))["id"] == account["id"]


async def test_a_disconnection_is_believed_and_final(house: House) -> None:
    """It is told by its event alone; what comes after it, or late, opens nothing."""
    grace = await house.onboarded()
    acct = await house.acct(grace)
    [at_stripe] = await house.stripe.objects("account")
    await house.stripe.fault("GET", ACCOUNT, "error_503", times=1000)

    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "deauthorized"})

    account = await reaches(house, grace, "DISCONNECTED")
    assert (account["withdrawalsEnabled"], account["payoutsEnabled"]) == (False, False)
    row = await handled(house, "CONNECT", event("account.updated", at_stripe, acct))
    assert row["status"] == "PROCESSED"
    assert await account_of(grace, refresh=True) == account
    assert await onboarding.live_account(grace.id) is None


async def test_that_we_are_not_let_in_alone_closes_nothing(house: House) -> None:
    """A 403 may as well be our key's fault: an alert, and all stays as it is."""
    grace = await house.onboarded()
    acct, account = await house.acct(grace), await account_of(grace)
    await house.stripe.webhooks(drop=1)
    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "deauthorized"})
    before = await alerts(house, "STRIPE_MISUSE")

    assert await account_of(grace, refresh=True) == account
    payload = await grace.create_onboarding_link()

    assert refusal(payload) == ("PAYMENT_PROVIDER_UNAVAILABLE", [])
    assert await alerts(house, "STRIPE_MISUSE") >= before + 2
    assert await account_of(grace) == account


@pytest.mark.parametrize("has_another", [False, True])
async def test_stripe_may_think_better_of_a_rejection(house: House, has_another: bool) -> None:
    grace = await house.onboarded()
    old = await account_of(grace)
    acct = await house.acct(grace)
    await house.onboard(grace, "rejected")
    if has_another:
        await grace.create_connect_account()
    await house.quiet()

    await house.stripe.control(f"/accounts/{acct}/onboard", {"outcome": "active"})
    await heard_of_all(house)

    live = await onboarding.live_account(grace.id)
    assert live is not None
    first = await onboarding.find_by_stripe_id(acct)
    assert first is not None
    if has_another:
        assert (first.status, first.live, live.id == old["id"]) == ("REJECTED", False, False)
        assert await alerts(house, "CONNECT_ACCOUNT_REVIVED") > 0
    else:
        assert (first.status, first.live, live.id == old["id"]) == ("ACTIVE", True, True)


# ------------------------------------------------------------------ watching it


async def test_its_owner_can_watch_it(house: House, grace: Person) -> None:
    async with grace.subscribe(UPDATES) as updates:
        assert await updates.next() == {"connectAccountUpdated": None}

        account = (await grace.create_connect_account())["connectAccount"]
        seen = []
        for outcome in ("in_review", "active", "rejected"):
            await house.onboard(grace, outcome)
        while (update := await updates.next()) is not None:
            seen.append(update["connectAccountUpdated"])

    assert {update["id"] for update in seen} == {account["id"]}
    assert seen[-1] == {"id": account["id"], "status": "REJECTED", "withdrawalsEnabled": False}


async def test_that_nothing_changed_is_not_told(house: House) -> None:
    grace, eve = await house.onboarded(), await house.contractor("eve")
    async with grace.subscribe(UPDATES) as updates:
        first = await updates.next()
        await account_of(grace, refresh=True)
        await eve.create_connect_account()
        with pytest.raises(TimeoutError):
            await updates.next(timeout_s=0.4)
    assert first is not None
    assert first["connectAccountUpdated"]["status"] == "ACTIVE"
