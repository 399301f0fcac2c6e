"""The bank's question: answered, refused, left alone, asked anew."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.sandbox.running import Json, Running

RETURN_URL = "https://example.com/back"
MINUTES_10 = 600
KINDS = ["payment_intent", "setup_intent"]
OF_BOTH_KINDS = pytest.mark.parametrize("kind", KINDS)


async def asked(sandbox: Running, kind: str, **how: Any) -> tuple[Json, str]:
    """An intent in requires_action, and the address of the question."""
    given = {"confirm": True, "payment_method": "pm_card_authenticationRequired", **how}
    make = sandbox.intent if kind == "payment_intent" else sandbox.setup
    intent = (await make(**given)).to_dict()
    assert intent["status"] == "requires_action"
    return intent, address_in(intent)


def address_in(intent: Json) -> str:
    action = intent["next_action"]
    url = (
        action["redirect_to_url"]["url"]
        if "redirect_to_url" in action
        else action["use_stripe_sdk"]["stripe_js"]
    )
    return str(url)


async def now(sandbox: Running, intent: Json) -> Json:
    body: Json = (await sandbox.http.get(f"/v1/{intent['object']}s/{intent['id']}")).json()
    return body


@OF_BOTH_KINDS
async def test_who_walks_away_changes_nothing(sandbox: Running, kind: str) -> None:
    intent, address = await asked(sandbox, kind, return_url=RETURN_URL)
    before = await sandbox.events()

    page = await sandbox.http.get(address)

    assert page.status_code == 200
    assert f'<a href="{RETURN_URL}">Leave without an answer</a>' in page.text
    assert "<script" not in page.text
    assert (await now(sandbox, intent))["status"] == "requires_action"
    assert await sandbox.events() == before
    assert (await sandbox.http.get(address)).status_code == 200, "one may come back"


@OF_BOTH_KINDS
async def test_without_a_return_url_one_walks_back_to_the_card_form(sandbox: Running, kind: str) -> None:
    intent, address = await asked(sandbox, kind)
    form = f"/{'pay' if kind == 'payment_intent' else 'setup'}/{intent['client_secret']}"

    assert f'<a href="{form}">' in (await sandbox.http.get(address)).text

    again = await sandbox.http.get(form)
    assert f'<a href="{address}">' in again.text, "the question is found again"


@OF_BOTH_KINDS
async def test_another_card_is_declined_while_the_bank_waits(sandbox: Running, kind: str) -> None:
    intent, _ = await asked(sandbox, kind)
    form = f"/{'pay' if kind == 'payment_intent' else 'setup'}/{intent['client_secret']}"

    answer = await sandbox.http.post(form, data={"card": "pm_card_chargeDeclined"})

    assert answer.headers["location"] == form, "not back to a question that is over"
    assert "Your card was declined." in (await sandbox.http.get(form)).text


async def test_an_apps_address_is_no_link(sandbox: Running) -> None:
    intent, address = await asked(sandbox, "payment_intent", return_url="jobs://back")

    page = await sandbox.http.get(address)

    assert "jobs://" not in page.text
    assert f'<a href="/pay/{intent["client_secret"]}">' in page.text


@OF_BOTH_KINDS
async def test_nobody_answers(sandbox: Running, kind: str) -> None:
    intent, address = await asked(sandbox, kind, return_url=RETURN_URL)
    await sandbox.control("/clock", advance_seconds=MINUTES_10 - 60)
    assert (await now(sandbox, intent))["status"] == "requires_action"

    await sandbox.control("/clock", advance_seconds=60)

    left = await now(sandbox, intent)
    assert (left["status"], left["next_action"]) == ("requires_payment_method", None)
    error = left["last_payment_error" if kind == "payment_intent" else "last_setup_error"]
    assert error["code"] == f"{kind}_authentication_failure"
    failed = "payment_failed" if kind == "payment_intent" else "setup_failed"
    event = (await sandbox.stripe.v1.events.list_async({"type": f"{kind}.{failed}"})).data[0]
    assert event.request is not None
    assert event.request.id is None, "time did it, not a request"
    for page in (
        await sandbox.http.get(address),
        await sandbox.http.post(address, data={"outcome": "accept"}),
    ):
        assert page.status_code == 410
        assert "Nobody answered within 10 minutes" in page.text
        assert f'<a href="{RETURN_URL}">Go back</a>' in page.text
    assert (await now(sandbox, intent)) == left


@OF_BOTH_KINDS
@pytest.mark.parametrize("outcome", ["accept", "refuse"])
async def test_an_answer_is_final(sandbox: Running, kind: str, outcome: str) -> None:
    intent, address = await asked(sandbox, kind)
    await sandbox.http.post(address, data={"outcome": outcome})
    answered = await now(sandbox, intent)

    for page in (
        await sandbox.http.get(address),
        await sandbox.http.post(address, data={"outcome": "accept"}),
    ):
        assert page.status_code == 410
        assert "No longer open" in page.text
        assert "Nobody answered" not in page.text
    await sandbox.control("/clock", advance_seconds=MINUTES_10)

    assert await now(sandbox, intent) == answered


@OF_BOTH_KINDS
async def test_a_canceled_intent_asks_nobody(sandbox: Running, kind: str) -> None:
    intent, address = await asked(sandbox, kind)
    await sandbox.http.post(f"/v1/{kind}s/{intent['id']}/cancel")

    page = await sandbox.http.post(address, data={"outcome": "accept"})

    assert page.status_code == 410
    assert "It was canceled in the meantime." in page.text
    await sandbox.control("/clock", advance_seconds=MINUTES_10)
    assert (await now(sandbox, intent))["status"] == "canceled"


@OF_BOTH_KINDS
async def test_an_answer_that_takes_its_time_comes_too_late(sandbox: Running, kind: str) -> None:
    """It is judged by what is when it has arrived, not by what was when it set out."""
    intent, address = await asked(sandbox, kind)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"outcome="
        canceled = await sandbox.http.post(f"/v1/{kind}s/{intent['id']}/cancel")
        assert canceled.json()["status"] == "canceled"
        yield b"accept"

    page = await sandbox.http.post(address, content=slowly())

    assert page.status_code == 410
    assert (await now(sandbox, intent))["status"] == "canceled"
    assert f"{kind}.succeeded" not in await sandbox.events()


@OF_BOTH_KINDS
async def test_asked_anew_the_old_question_is_nothing_any_more(sandbox: Running, kind: str) -> None:
    intent, old = await asked(sandbox, kind)
    await sandbox.control("/clock", advance_seconds=MINUTES_10 - 60)
    confirmed = await sandbox.http.post(
        f"/v1/{kind}s/{intent['id']}/confirm", data={"payment_method": "pm_card_authenticationRequired"}
    )
    new = address_in(confirmed.json())

    await sandbox.control("/clock", advance_seconds=60)

    assert (await now(sandbox, intent))["status"] == "requires_action", (
        "the old one's end is not the new one's"
    )
    assert (await sandbox.http.get(old)).status_code == 404
    assert (await sandbox.http.get(new)).status_code == 200
    await sandbox.control("/clock", advance_seconds=MINUTES_10)
    assert (await now(sandbox, intent))["status"] == "requires_payment_method"


@OF_BOTH_KINDS
async def test_another_card_takes_the_questions_place(sandbox: Running, kind: str) -> None:
    intent, address = await asked(sandbox, kind)

    confirmed = await sandbox.http.post(
        f"/v1/{kind}s/{intent['id']}/confirm", data={"payment_method": "pm_card_visa"}
    )

    assert confirmed.json()["status"] == "succeeded"
    assert (await sandbox.http.get(address)).status_code == 410


async def test_the_question_outlives_a_mischosen_answer(sandbox: Running) -> None:
    intent, address = await asked(sandbox, "payment_intent")

    assert (await sandbox.http.post(address, data={"outcome": "perhaps"})).status_code == 400

    assert (await now(sandbox, intent))["status"] == "requires_action"
