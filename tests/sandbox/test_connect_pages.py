"""Onboarding and the Express dashboard, as the person behind an account sees them."""

import re
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.running import Receiver, Running
from tests.sandbox.test_accounts import EXPRESS, account, facts, onboarded, restrict, told

REFRESH, RETURN = "https://example.com/again?a=1", "https://example.com/back"
MINUTES_S = 300
HOUR_S = 3600


async def link(sandbox: Running, account_id: str, **params: Any) -> str:
    given: Any = {
        "account": account_id,
        "type": "account_onboarding",
        "refresh_url": REFRESH,
        "return_url": RETURN,
        "collection_options": {"fields": "eventually_due"},
    }
    return (await sandbox.stripe.v1.account_links.create_async(given | params)).url


async def login(sandbox: Running, account_id: str) -> str:
    return (await sandbox.stripe.v1.accounts.login_links.create_async(account_id)).url


async def entered(sandbox: Running, url: str) -> str:
    """Where an unused link leads."""
    answer = await sandbox.http.get(url)
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert location.startswith("/connect/")
    return str(location)


def is_plain(answer: httpx.Response) -> bool:
    policy = answer.headers["content-security-policy"]
    return "<script" not in answer.text and policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("active", (True, "active", True, None)),
        ("in_review", (True, "pending", False, "requirements.pending_verification")),
        ("restricted", (True, "inactive", False, "requirements.past_due")),
        ("rejected", (True, "inactive", False, "rejected.other")),
        ("payouts_disabled", (True, "active", False, "other")),
    ],
)
async def test_every_ending_has_its_button(
    sandbox: Running, receiver: Receiver, outcome: str, expected: tuple[Any, ...]
) -> None:
    made = await account(sandbox)
    page = await entered(sandbox, await link(sandbox, made.id))
    form = await sandbox.http.get(page)
    assert is_plain(form)
    assert f'name="outcome" value="{outcome}"' in form.text

    answer = await sandbox.http.post(page, data={"outcome": outcome})

    assert (answer.status_code, answer.headers["location"]) == (303, RETURN)
    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id)) == expected
    assert "account.updated" in {event["type"] for event in await told(sandbox, receiver)}


async def test_leaving_changes_nothing(sandbox: Running, receiver: Receiver) -> None:
    made = await account(sandbox)
    page = await entered(sandbox, await link(sandbox, made.id))

    form = await sandbox.http.get(page)

    assert f'<a href="{RETURN}">' in form.text
    assert (await sandbox.http.get(page)).status_code == 200  # whoever comes back finds it as it was
    assert await told(sandbox, receiver) == []
    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id))[0] is False


async def test_a_link_opens_once(sandbox: Running) -> None:
    made = await account(sandbox)
    url = await link(sandbox, made.id)
    await entered(sandbox, url)

    again = await sandbox.http.get(url)

    assert (again.status_code, again.headers["location"]) == (303, REFRESH)
    await entered(sandbox, await link(sandbox, made.id))


async def test_a_link_opens_within_minutes(sandbox: Running) -> None:
    made = await account(sandbox)
    given: Any = {"account": made.id, "type": "account_onboarding", "collect": "currently_due"}
    given |= {"refresh_url": REFRESH, "return_url": RETURN}
    minted = await sandbox.stripe.v1.account_links.create_async(given)
    assert minted.expires_at - minted.created == MINUTES_S
    await sandbox.control("/clock", advance_seconds=MINUTES_S)

    late = await sandbox.http.get(minted.url)

    assert (late.status_code, late.headers["location"]) == (303, REFRESH)


async def test_onboarding_ends_with_an_answer_or_after_an_hour(sandbox: Running, receiver: Receiver) -> None:
    made = await account(sandbox)
    done, slow = [await entered(sandbox, await link(sandbox, made.id)) for _ in range(2)]
    await sandbox.http.post(done, data={"outcome": "active"})
    await told(sandbox, receiver)
    receiver.forget()
    await sandbox.control("/clock", advance_seconds=HOUR_S)

    for page, onward in ((done, RETURN), (slow, REFRESH)):
        for answer in (
            await sandbox.http.get(page),
            await sandbox.http.post(page, data={"outcome": "rejected"}),
        ):
            assert (answer.status_code, answer.headers["location"]) == (303, onward)

    assert await told(sandbox, receiver) == []


async def test_an_ending_that_is_not_offered_is_refused(sandbox: Running) -> None:
    made = await account(sandbox)
    page = await entered(sandbox, await link(sandbox, made.id))
    for outcome in ("incomplete", "deauthorized", "<b>", ""):
        answer = await sandbox.http.post(page, data={"outcome": outcome})
        assert answer.status_code == 400
    await sandbox.control(f"/accounts/{made.id}/onboard", outcome="rejected")

    form = await sandbox.http.get(page)

    assert "<button" not in form.text
    assert "turned this account down" in form.text
    assert (await sandbox.http.post(page, data={"outcome": "active"})).status_code == 400
    assert facts(await sandbox.stripe.v1.accounts.retrieve_async(made.id))[3] == "rejected.other"


async def test_the_form_tells_what_is_due(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    now = int((await sandbox.state())["now"])
    for deadline, words in (
        (now + 86_400, "Stripe needs until"),
        (None, "Stripe needs: individual.id_number"),
    ):
        await restrict(sandbox, made.id, requirements=["individual.id_number"], deadline=deadline)
        page = await entered(sandbox, await link(sandbox, made.id))
        assert words in (await sandbox.http.get(page)).text


async def test_the_dashboard_shows_balance_payouts_and_bank(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    paid: Any = {
        "amount": 50_00,
        "currency": "usd",
        "confirm": True,
        "payment_method": "pm_card_bypassPending",
        "return_url": RETURN,
    }
    await sandbox.stripe.v1.payment_intents.create_async(paid, {"stripe_account": made.id})
    await sandbox.control("/clock", advance_seconds=2)

    shown = await sandbox.http.get(await entered(sandbox, await login(sandbox, made.id)))

    assert shown.status_code == 200
    assert is_plain(shown)
    assert "<dt>Available</dt><dd>48.25 USD</dd>" in shown.text
    assert "None so far." in shown.text
    assert "···· 6789 · USD · new" in shown.text
    assert "Nothing is due. Payouts are on." in shown.text


async def test_another_bank_account_is_chosen(sandbox: Running, receiver: Receiver) -> None:
    made = await onboarded(sandbox)
    page = await entered(sandbox, await login(sandbox, made.id))
    banks = re.findall(r'name="bank" value="(\d+)"', (await sandbox.http.get(page)).text)
    assert len(banks) == 4
    await told(sandbox, receiver)
    receiver.forget()

    answer = await sandbox.http.post(page, data={"bank": "000111111116"})

    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "···· 1116 · USD · new" in (await sandbox.http.get(page)).text
    after = (await sandbox.stripe.v1.accounts.retrieve_async(made.id)).to_dict()
    [bank] = after["external_accounts"]["data"]
    assert bank["last4"] == "1116"
    events = {event["type"]: event["data"]["object"] for event in await told(sandbox, receiver)}
    assert events.keys() == {
        "account.external_account.created",
        "account.external_account.deleted",
        "account.updated",
    }
    assert events["account.external_account.created"]["id"] == bank["id"]
    assert events["account.external_account.deleted"]["last4"] == "6789"
    assert (await sandbox.http.post(page, data={"bank": "1"})).status_code == 400


async def test_a_login_link_opens_once_within_minutes(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    used, late = await login(sandbox, made.id), await login(sandbox, made.id)
    page = await entered(sandbox, used)

    assert (await sandbox.http.get(used)).status_code == 410
    await sandbox.control("/clock", advance_seconds=MINUTES_S)
    assert (await sandbox.http.get(late)).status_code == 410
    assert (await sandbox.http.get(page)).status_code == 200
    await sandbox.control("/clock", advance_seconds=HOUR_S)
    for answer in (
        await sandbox.http.get(page),
        await sandbox.http.post(page, data={"bank": "000123456789"}),
    ):
        assert answer.status_code == 410


async def test_no_login_link_without_a_dashboard(sandbox: Running) -> None:
    new = await account(sandbox)
    full = await account(sandbox, controller={"stripe_dashboard": {"type": "full"}})
    await sandbox.control(f"/accounts/{full.id}/onboard", outcome="active")

    for made, words in ((new, "not completed onboarding"), (full, "without the Express Dashboard")):
        with pytest.raises(stripe.InvalidRequestError, match=words):
            await login(sandbox, made.id)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"type": "account_update"}, None, "type"),
        ({"type": "magic"}, None, "type"),
        ({"refresh_url": "example.com"}, "url_invalid", "refresh_url"),
        ({"return_url": "javascript:alert(1)"}, "url_invalid", "return_url"),
        ({"return_url": None}, "parameter_missing", "return_url"),
        ({"collect": "currently_due"}, None, "collect"),
    ],
)
async def test_a_link_is_refused(
    sandbox: Running, params: dict[str, Any], code: str | None, param: str
) -> None:
    made = await account(sandbox)

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await link(sandbox, made.id, **params)

    assert (refusal.value.code, refusal.value.param) == (code, param)


async def test_no_link_to_an_account_that_never_was(sandbox: Running) -> None:
    with pytest.raises(stripe.PermissionError):
        await link(sandbox, "acct_unknown")
    with pytest.raises(stripe.PermissionError):
        await login(sandbox, "acct_unknown")


async def test_the_doors_close_with_the_connection(sandbox: Running) -> None:
    made = await onboarded(sandbox)
    urls = [await link(sandbox, made.id), await login(sandbox, made.id)]
    pages = [
        await entered(sandbox, await link(sandbox, made.id)),
        await entered(sandbox, await login(sandbox, made.id)),
    ]
    await sandbox.control(f"/accounts/{made.id}/onboard", outcome="deauthorized")

    for address in (*urls, *pages):
        assert (await sandbox.http.get(address)).status_code == 404
    for room in ("setup", "express", "onboarding", "dashboard"):
        assert (await sandbox.http.get(f"/connect/{room}/guess")).status_code == 404


async def test_names_are_text(sandbox: Running) -> None:
    made = await account(sandbox, business_profile={"name": "<b>Ada</b>"})

    shown = await sandbox.http.get(await entered(sandbox, await link(sandbox, made.id)))

    assert "&lt;b&gt;Ada&lt;/b&gt;" in shown.text
    assert EXPRESS["email"] not in shown.text
