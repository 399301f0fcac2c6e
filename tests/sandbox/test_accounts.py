"""Connected accounts: what a platform may ask of them, and what becomes of them at Stripe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox.stripe import SandboxConfig, accounts, external_accounts, onboarding
from sandbox.stripe.errors import StripeError
from sandbox.stripe.sandbox import open_sandbox
from sandbox.stripe.standing import Outcome
from tests.sandbox.running import Json, Receiver, Running, running

EXPRESS: Any = {
    "controller": {
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "requirement_collection": "stripe",
        "stripe_dashboard": {"type": "express"},
    },
    "country": "US",
    "email": "ada@example.com",
    "business_type": "individual",
    "capabilities": {"transfers": {"requested": True}},
    "metadata": {"user_id": "u_1"},
}


async def account(sandbox: Running, **params: Any) -> stripe.Account:
    given: Any = EXPRESS | params
    return await sandbox.stripe.v1.accounts.create_async(given)


async def onboarded(sandbox: Running, outcome: str = "active", **body: Any) -> stripe.Account:
    made = await account(sandbox)
    await sandbox.control(f"/accounts/{made.id}/onboard", outcome=outcome, **body)
    return await sandbox.stripe.v1.accounts.retrieve_async(made.id)


async def told(sandbox: Running, receiver: Receiver) -> list[Json]:
    """The events that arrived at the Connect endpoint."""
    await sandbox.idle()
    return [delivery.event for delivery in receiver.deliveries if delivery.path == "/connect"]


def facts(shown: stripe.Account) -> tuple[Any, ...]:
    assert shown.capabilities is not None
    assert shown.requirements is not None
    return (
        shown.details_submitted,
        shown.capabilities.transfers,
        shown.payouts_enabled,
        shown.requirements.disabled_reason,
    )


async def test_a_new_one_has_told_nothing_yet(sandbox: Running) -> None:
    made = await account(sandbox)

    assert facts(made) == (False, "inactive", False, "requirements.past_due")
    assert made.requirements is not None
    assert made.requirements.currently_due == made.requirements.past_due
    assert "individual.first_name" in (made.requirements.currently_due or [])
    assert (made.type, made.default_currency, made.email) == ("express", "usd", "ada@example.com")
    assert made.controller is not None
    assert made.controller.to_dict() == EXPRESS["controller"] | {"is_controller": True, "type": "application"}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("active", (True, "active", True, None)),
        ("in_review", (True, "pending", False, "requirements.pending_verification")),
        ("restricted", (True, "inactive", False, "requirements.past_due")),
        ("rejected", (True, "inactive", False, "rejected.other")),
        ("payouts_disabled", (True, "active", False, "other")),
        ("incomplete", (False, "inactive", False, "requirements.past_due")),
    ],
)
async def test_every_outcome_shows(sandbox: Running, outcome: str, expected: tuple[Any, ...]) -> None:
    assert facts(await onboarded(sandbox, outcome)) == expected


async def test_the_platform_is_told_on_the_connect_endpoint(sandbox: Running, receiver: Receiver) -> None:
    made = await onboarded(sandbox)

    events = await told(sandbox, receiver)
    assert {event["type"] for event in events} == {
        "account.external_account.created",
        "capability.updated",
        "account.updated",
    }
    assert {event["account"] for event in events} == {made.id}
    assert len(events) == len(receiver.deliveries)
    [updated] = [event["data"] for event in events if event["type"] == "account.updated"]
    assert updated["previous_attributes"]["payouts_enabled"] is False
    assert updated["previous_attributes"]["capabilities"] == {"transfers": "inactive"}
    assert updated["object"]["payouts_enabled"] is True


async def test_what_is_due_by_a_deadline_stops_nothing_until_then(
    sandbox: Running, receiver: Receiver
) -> None:
    made = await onboarded(sandbox)
    deadline = int((await sandbox.state())["now"]) + 3600
    due = ["individual.verification.document", "individual.id_number"]
    await restrict(sandbox, made.id, requirements=due, deadline=deadline)

    asked = await sandbox.stripe.v1.accounts.retrieve_async(made.id)
    assert facts(asked) == (True, "active", True, None)
    assert asked.requirements is not None
    assert (asked.requirements.currently_due, asked.requirements.past_due) == (sorted(due), [])
    assert asked.requirements.current_deadline == deadline
    assert {error.requirement for error in asked.requirements.errors or []} == set(due)

    await told(sandbox, receiver)
    receiver.forget()
    await sandbox.control("/clock", advance_seconds=3600)

    late = await sandbox.stripe.v1.accounts.retrieve_async(made.id)
    assert facts(late) == (True, "inactive", False, "requirements.past_due")
    assert late.requirements is not None
    assert late.requirements.past_due == sorted(due)
    events = await told(sandbox, receiver)
    assert {event["type"] for event in events} == {"capability.updated", "account.updated"}
    assert {event["request"]["id"] for event in events} == {None}


async def test_a_deadline_that_was_met_passes_unnoticed(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    now = int((await sandbox.state())["now"])
    await restrict(sandbox, made.id, deadline=now + 3600)
    await restrict(sandbox, made.id, deadline=now + 7200)
    await sandbox.control("/clock", advance_seconds=3600)
    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id))[2] is True

    await sandbox.control(f"/accounts/{made.id}/onboard", outcome="active")
    await sandbox.control("/clock", advance_seconds=3600)

    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id)) == (True, "active", True, None)


async def test_a_deadline_in_the_past_is_late_already(sandbox: Running) -> None:
    made = await onboarded(sandbox, "restricted", deadline=1)

    assert facts(made) == (True, "inactive", False, "requirements.past_due")
    assert made.requirements is not None
    assert made.requirements.current_deadline is None


async def restrict(sandbox: Running, account_id: str, **body: Any) -> None:
    await sandbox.control(f"/accounts/{account_id}/onboard", outcome="restricted", **body)


async def test_who_is_no_longer_connected_is_out_of_reach(sandbox: Running, receiver: Receiver) -> None:
    made = await onboarded(sandbox)
    v1 = sandbox.stripe.v1
    gone = await sandbox.control(f"/accounts/{made.id}/onboard", outcome="deauthorized")

    [event] = [
        one for one in await told(sandbox, receiver) if one["type"] == "account.application.deauthorized"
    ]
    assert (event["account"], event["data"]["object"]) == (made.id, gone)
    assert (gone["object"], gone["id"][:3]) == ("application", "ca_")
    link: Any = {
        "account": made.id,
        "type": "account_onboarding",
        "refresh_url": "https://example.com/again",
        "return_url": "https://example.com/back",
    }
    for call in (
        v1.accounts.retrieve_async(made.id),
        v1.accounts.update_async(made.id, {"metadata": {"a": "b"}}),
        v1.accounts.delete_async(made.id),
        v1.accounts.capabilities.list_async(made.id),
        v1.accounts.login_links.create_async(made.id),
        v1.account_links.create_async(link),
        v1.balance.retrieve_async(None, {"stripe_account": made.id}),
        v1.customers.create_async({}, {"stripe_account": made.id}),
    ):
        with pytest.raises(stripe.PermissionError) as refusal:
            await call
        assert refusal.value.error is not None
        assert refusal.value.error.code == "account_invalid"
    assert (await v1.accounts.list_async()).data == []
    again = await sandbox.http.post(f"/_sandbox/accounts/{made.id}/onboard", json={"outcome": "active"})
    assert again.status_code == 400


async def test_nothing_more_is_told_of_one_that_is_no_longer_connected(
    sandbox: Running, receiver: Receiver
) -> None:
    made = await onboarded(sandbox)
    await restrict(sandbox, made.id, deadline=int((await sandbox.state())["now"]) + 60)
    await sandbox.control(f"/accounts/{made.id}/onboard", outcome="deauthorized")
    await told(sandbox, receiver)
    receiver.forget()

    await sandbox.control("/clock", advance_seconds=60)

    assert await told(sandbox, receiver) == []


async def test_the_last_event_of_an_account_can_be_sent_again(sandbox: Running, receiver: Receiver) -> None:
    made = await onboarded(sandbox)
    await told(sandbox, receiver)
    receiver.forget()

    last = await sandbox.control("/events/redeliver_last", times=2)
    one = await sandbox.control(f"/events/{last['event']}/redeliver")

    assert (last["deliveries"], one["deliveries"]) == (2, 1)
    events = await told(sandbox, receiver)
    assert [event["account"] for event in events] == [made.id] * 3
    assert {event["id"] for event in events} == {last["event"]}


async def test_an_account_has_its_own_things(sandbox: Running, receiver: Receiver) -> None:
    """Customers, events and idempotency keys are of the account that the header names."""
    made = await account(sandbox)
    v1, there = sandbox.stripe.v1, made.id
    key: Any = {"idempotency_key": "k"}
    ours = await v1.customers.create_async({}, key)
    theirs = await v1.customers.create_async({}, key | {"stripe_account": there})

    assert ours.id != theirs.id
    assert [one.id for one in (await v1.customers.list_async()).data] == [ours.id]
    listed = await v1.customers.list_async(None, {"stripe_account": there})
    assert [one.id for one in listed.data] == [theirs.id]
    with pytest.raises(stripe.InvalidRequestError):
        await v1.customers.retrieve_async(theirs.id)
    events = await v1.events.list_async(None, {"stripe_account": there})
    assert [(event.type, event.account) for event in events.data] == [("customer.created", there)]
    assert [event.type for event in (await v1.events.list_async()).data] == ["customer.created"]
    await sandbox.idle()
    assert receiver.deliveries == []  # neither endpoint asked for a connected account's customers


async def test_an_account_knows_itself_and_no_other(sandbox: Running) -> None:
    made, other = await account(sandbox), await account(sandbox)
    v1 = sandbox.stripe.v1

    assert (await v1.accounts.retrieve_async(made.id, None, {"stripe_account": made.id})).id == made.id
    with pytest.raises(stripe.PermissionError):
        await v1.accounts.retrieve_async(other.id, None, {"stripe_account": made.id})
    assert (await v1.accounts.list_async(None, {"stripe_account": made.id})).data == []
    with pytest.raises(stripe.InvalidRequestError, match="signed up for Connect"):
        await v1.accounts.create_async({}, {"stripe_account": made.id})
    with pytest.raises(stripe.InvalidRequestError, match="webhook endpoints"):
        await v1.webhook_endpoints.create_async(
            {"url": "https://example.com", "enabled_events": ["*"]}, {"stripe_account": made.id}
        )


async def test_accounts_are_listed_newest_first(sandbox: Running) -> None:
    made = [(await account(sandbox)).id for _ in range(3)]
    await sandbox.control("/clock", advance_seconds=100)
    last = await account(sandbox)
    v1 = sandbox.stripe.v1

    listed = await v1.accounts.list_async({"limit": 2})
    assert [one.id async for one in listed.auto_paging_iter()] == [last.id, *reversed(made)]
    new: Any = {"gte": last.created}
    assert [one.id for one in (await v1.accounts.list_async({"created": new})).data] == [last.id]


async def test_an_account_is_changed(sandbox: Running, receiver: Receiver) -> None:
    made = await onboarded(sandbox)
    await told(sandbox, receiver)
    receiver.forget()
    changes: Any = {
        "email": "ada@example.org",
        "business_profile": {"name": "Ada's"},
        "metadata": {"user_id": "", "colour": "red"},
        "capabilities": {"card_payments": {"requested": True}},
        "settings": {"payouts": {"schedule": {"interval": "manual", "delay_days": "minimum"}}},
    }

    after = await sandbox.stripe.v1.accounts.update_async(made.id, changes, {"idempotency_key": "change"})

    assert (after.email, after.charges_enabled) == ("ada@example.org", True)
    assert after.metadata is not None
    assert after.metadata.to_dict() == {"colour": "red"}
    assert after.settings is not None
    assert after.settings.payouts is not None
    assert after.settings.payouts.schedule.interval == "manual"
    events = await told(sandbox, receiver)
    assert {event["type"] for event in events} == {"capability.updated", "account.updated"}
    assert {event["request"]["idempotency_key"] for event in events} == {"change"}
    await sandbox.stripe.v1.accounts.update_async(made.id, changes)
    await sandbox.idle()
    assert len(receiver.deliveries) == len(events)


async def test_a_capability_comes_and_goes(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    capabilities = sandbox.stripe.v1.accounts.capabilities

    listed = (await capabilities.list_async(made.id)).data
    assert [(one.id, one.status) for one in listed] == [
        ("card_payments", "unrequested"),
        ("transfers", "active"),
    ]
    off = await capabilities.update_async(made.id, "transfers", {"requested": False})
    assert (off.status, off.requested, off.requested_at) == ("unrequested", False, None)
    account_now = await sandbox.stripe.v1.accounts.retrieve_async(made.id)
    assert account_now.to_dict()["capabilities"] == {}
    await capabilities.update_async(made.id, "transfers", {"requested": True})
    on = await capabilities.retrieve_async(made.id, "transfers", {"expand": ["account"]})
    assert on.status == "active"
    assert isinstance(on.account, stripe.Account)
    with pytest.raises(stripe.InvalidRequestError, match="No such capability"):
        await capabilities.retrieve_async(made.id, "magic")


async def test_an_account_is_deleted_unless_it_holds_money(sandbox: Running) -> None:
    rich, poor = await onboarded(sandbox), await onboarded(sandbox)
    v1 = sandbox.stripe.v1
    paid: Any = {
        "amount": 5000,
        "currency": "usd",
        "confirm": True,
        "payment_method": "pm_card_bypassPending",
        "return_url": "https://example.com",
    }
    await v1.payment_intents.create_async(paid, {"stripe_account": rich.id})
    await sandbox.control("/clock", advance_seconds=2)

    with pytest.raises(stripe.InvalidRequestError, match="balance"):
        await v1.accounts.delete_async(rich.id)
    assert (await v1.accounts.delete_async(poor.id)).to_dict() == {
        "id": poor.id,
        "object": "account",
        "deleted": True,
    }
    with pytest.raises(stripe.PermissionError):
        await v1.accounts.retrieve_async(poor.id)


@pytest.mark.parametrize(
    ("controller", "kind"),
    [
        ({"stripe_dashboard": {"type": "none"}}, "none"),
        ({}, "standard"),
        (EXPRESS["controller"], "express"),
        (EXPRESS["controller"] | {"fees": {"payer": "account"}}, "none"),
    ],
)
async def test_the_controller_says_what_kind_it_is(sandbox: Running, controller: Any, kind: str) -> None:
    made = await sandbox.stripe.v1.accounts.create_async({"controller": controller})

    assert made.type == kind
    old = await sandbox.stripe.v1.accounts.create_async({"type": "express"})
    assert old.controller is not None
    assert old.controller.fees is not None
    assert (old.type, old.controller.fees.payer) == ("express", "application_express")


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"type": "express"}, None, "type"),
        ({"country": "KP"}, "country_unsupported", "country"),
        ({"country": "PH"}, "country_unsupported", "country"),
        ({"tos_acceptance": {"service_agreement": "recipient"}}, None, "tos_acceptance[service_agreement]"),
        ({"tos_acceptance": {"service_agreement": "none"}}, None, "tos_acceptance[service_agreement]"),
        ({"email": "ada"}, "email_invalid", "email"),
        ({"default_currency": "xxx"}, None, "default_currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"business_type": "magic"}, None, "business_type"),
        ({"capabilities": {"treasury": {"requested": True}}}, "sandbox_unsupported", "treasury"),
        ({"controller": {"requirement_collection": "application"}}, "sandbox_unsupported", None),
        (
            {"controller": {"losses": {"payments": "application"}, "stripe_dashboard": {"type": "none"}}},
            None,
            "controller",
        ),
        ({"settings": {"payouts": {"schedule": {"interval": "weekly"}}}}, "sandbox_unsupported", None),
        ({"settings": {"payouts": {"schedule": {"delay_days": 99}}}}, None, None),
        (
            {
                "country": "PH",
                "tos_acceptance": {"service_agreement": "recipient"},
                "capabilities": {"card_payments": {"requested": True}},
            },
            None,
            "capabilities[card_payments]",
        ),
    ],
)
async def test_an_account_is_refused(
    sandbox: Running, params: Json, code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await account(sandbox, **params)

    assert refusal.value.code == code
    if param is not None:
        assert refusal.value.param == param
    assert (await sandbox.state())["objects"].get("account") is None


async def test_a_recipient_is_abroad(sandbox: Running) -> None:
    made = await account(sandbox, country="PH", tos_acceptance={"service_agreement": "recipient"})

    assert (made.country, made.default_currency) == ("PH", "php")


@pytest.mark.parametrize(
    "body",
    [
        {"outcome": "magic"},
        {"outcome": "active", "requirements": ["x"]},
        {"outcome": "deauthorized", "deadline": 5},
        {"outcome": "restricted", "requirements": []},
        {"outcome": "restricted", "requirements": [""]},
        {"outcome": "restricted", "deadline": -1},
        {},
    ],
)
async def test_a_nonsensical_outcome_is_refused(sandbox: Running, body: Json) -> None:
    made = await account(sandbox)

    answer = await sandbox.http.post(f"/_sandbox/accounts/{made.id}/onboard", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id))[0] is False


async def test_the_same_seed_the_same_accounts(sandbox: Running) -> None:
    seen = []
    for seed in (7, 7, 8):
        await sandbox.reset(seed)
        made = await onboarded(sandbox)
        gone = await sandbox.control(f"/accounts/{made.id}/onboard", outcome="deauthorized")
        events = (await sandbox.state())["objects"]["event"]
        seen.append([made.id, gone["id"], *sorted(event["id"] for event in events)])

    assert seen[0] == seen[1]
    assert set(seen[0]).isdisjoint(seen[2])


async def test_a_reset_forgets_accounts(sandbox: Running) -> None:
    made = await onboarded(sandbox)

    await sandbox.reset()

    assert (await sandbox.stripe.v1.accounts.list_async()).data == []
    with pytest.raises(stripe.PermissionError):
        await sandbox.stripe.v1.balance.retrieve_async(None, {"stripe_account": made.id})


async def test_accounts_survive_a_restart(tmp_path: Path, config: SandboxConfig) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3")
    async with running(lasting) as first:
        made = await onboarded(first)
        now = int((await first.state())["now"])
        await restrict(first, made.id, deadline=now + 3600)
        before = await first.stripe.v1.accounts.retrieve_async(made.id)

    async with running(lasting) as second:
        after = await second.stripe.v1.accounts.retrieve_async(made.id)
        await second.control("/clock", advance_seconds=3600)
        late = await second.stripe.v1.accounts.retrieve_async(made.id)

    assert after.to_dict() == before.to_dict()
    assert facts(late) == (True, "inactive", False, "requirements.past_due")


def test_a_bank_account_that_sends_a_payout_back_is_due_anew(config: SandboxConfig) -> None:
    """The account can still be sent money, which then stays there."""
    sandbox = open_sandbox(config)
    with sandbox.change() as tx:
        made = accounts.create(tx, {"capabilities": {"transfers": {"requested": True}}})
        onboarding.conclude(tx, made["id"], Outcome.ACTIVE)
        failed = onboarding.fail_bank(tx, made["id"])

        assert failed["external_accounts"]["data"][0]["status"] == "errored"
        assert failed["requirements"]["past_due"] == ["external_account"]
        assert (accounts.can_receive(failed), accounts.payouts_enabled(failed)) == (True, False)
        replaced = onboarding.change_bank(tx, made["id"], external_accounts.TEST_BANKS[0])
        onboarding.fail_bank(tx, made["id"])
        verified = onboarding.conclude(tx, made["id"], Outcome.ACTIVE)
        told = [event.body["type"] for event in tx.store.all_objects("event")]
    sandbox.store.close()

    for mended in (replaced, verified):
        assert accounts.payouts_enabled(mended)
        assert mended["requirements"]["currently_due"] == []
        assert mended["external_accounts"]["data"][0]["status"] == "new"
    assert told.count("account.external_account.updated") == 2


def test_whom_a_parameter_names(config: SandboxConfig) -> None:
    """One that never was is missing; one that is connected no more is out of reach."""
    sandbox = open_sandbox(config)
    with sandbox.change() as tx:
        made = accounts.create(tx, {})
        assert accounts.connected(tx, made["id"], param="destination") == made
        with pytest.raises(StripeError) as never:
            accounts.connected(tx, "acct_unknown", param="destination")
        onboarding.deauthorize(tx, made["id"])
        with pytest.raises(StripeError) as no_more:
            accounts.connected(tx, made["id"], param="destination")
    sandbox.store.close()

    assert (never.value.status, never.value.body["code"]) == (400, "resource_missing")
    assert (no_more.value.status, no_more.value.body["code"]) == (403, "account_invalid")
