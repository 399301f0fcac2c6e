"""Connected accounts: what a platform may ask of them, and what becomes of them at Stripe."""

from typing import Any

import pytest
import stripe

from tests.sandbox.running import Json, Receiver, Running

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
