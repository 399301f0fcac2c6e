"""What a person sees."""

import re

import pytest

from tests.sandbox.running import Running


async def test_a_person_pays(sandbox: Running) -> None:
    intent = await sandbox.intent(amount=1234_56, description="<b>Job</b>")
    page = f"/pay/{intent.client_secret}"
    shown = await sandbox.http.get(page)
    assert "1,234.56 USD" in shown.text
    assert "&lt;b&gt;Job" in shown.text
    assert "http" not in shown.text, "no outside request"

    answer = await sandbox.http.post(page, data={"card": "pm_card_visa"})

    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "Paid" in (await sandbox.http.get(page)).text
    assert (await sandbox.stripe.v1.payment_intents.retrieve_async(intent.id)).status == "succeeded"


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [
        ("jpy", 10_500, "<h1>10,500 JPY</h1>"),
        ("isk", 10_500_00, "<h1>10,500.00 ISK</h1>"),
        ("kwd", 10_500, "<h1>10.500 KWD</h1>"),
        ("kwd", 10_010, "<h1>10.010 KWD</h1>"),
    ],
)
async def test_a_price_has_the_decimals_of_its_currency(
    sandbox: Running, currency: str, amount: int, text: str
) -> None:
    intent = await sandbox.intent(amount=amount, currency=currency)
    assert text in (await sandbox.http.get(f"/pay/{intent.client_secret}")).text


async def test_a_declined_person_reads_why_and_tries_again(sandbox: Running) -> None:
    intent = await sandbox.intent()
    page = f"/pay/{intent.client_secret}"
    await sandbox.http.post(page, data={"card": "pm_card_chargeDeclinedInsufficientFunds"})

    assert "Your card has insufficient funds." in (await sandbox.http.get(page)).text
    await sandbox.http.post(page, data={"card": "pm_card_visa"})

    assert "Paid" in (await sandbox.http.get(page)).text


async def test_a_person_answers_the_bank_and_comes_back(sandbox: Running) -> None:
    intent = await sandbox.stripe.v1.payment_intents.create_async({"amount": 50_00, "currency": "usd"})
    page = f"/pay/{intent.client_secret}"
    asked = await sandbox.http.post(page, data={"card": "pm_card_authenticationRequired"})
    challenge = asked.headers["location"]
    assert "/3ds/" in challenge
    assert (await sandbox.http.post(challenge, data={"outcome": "maybe"})).status_code == 400

    back = await sandbox.http.post(challenge, data={"outcome": "accept"})

    assert back.headers["location"] == page
    assert "Paid" in (await sandbox.http.get(page)).text


async def test_a_person_saves_a_card(sandbox: Running) -> None:
    customer = await sandbox.stripe.v1.customers.create_async({"name": "Ada"})
    intent = await sandbox.stripe.v1.setup_intents.create_async({"customer": customer.id})
    page = f"/setup/{intent.client_secret}"
    shown = await sandbox.http.get(page)
    assert "Nothing is paid now." in shown.text
    await sandbox.http.post(page, data={"card": "pm_card_chargeDeclined"})
    assert "Your card was declined." in (await sandbox.http.get(page)).text
    asked = await sandbox.http.post(page, data={"card": "pm_card_authenticationRequiredOnSetup"})
    challenge = asked.headers["location"]
    assert "is it you who saves this card?" in (await sandbox.http.get(challenge)).text

    back = await sandbox.http.post(challenge, data={"outcome": "accept"})

    assert back.headers["location"] == page
    done = await sandbox.http.get(page)
    assert "The card is saved." in done.text
    assert "<button" not in done.text
    cards = await sandbox.stripe.v1.customers.payment_methods.list_async(customer.id)
    assert len(cards.data) == 1


async def test_every_card_offered_does_what_it_says(sandbox: Running) -> None:
    """Each button once; none is unknown, and none needs JavaScript."""
    for kind, make in (("pay", sandbox.intent), ("setup", sandbox.setup)):
        form = await sandbox.http.get(f"/{kind}/{(await make()).client_secret}")
        offered = re.findall(r'name="card" value="(\w+)"', form.text)
        assert len(offered) >= 5
        assert "<script" not in form.text
        for card in offered:
            answer = await sandbox.http.post(f"/{kind}/{(await make()).client_secret}", data={"card": card})
            assert answer.status_code == 303, card


async def test_what_is_canceled_is_told(sandbox: Running) -> None:
    intent = await sandbox.intent()
    await sandbox.stripe.v1.payment_intents.cancel_async(intent.id)
    page = f"/pay/{intent.client_secret}"

    for answer in (
        await sandbox.http.get(page),
        await sandbox.http.post(page, data={"card": "pm_card_visa"}),
    ):
        assert "This was canceled." in answer.text
        assert "<button" not in answer.text


async def test_a_wrong_card_is_told(sandbox: Running) -> None:
    intent = await sandbox.intent()

    answer = await sandbox.http.post(f"/pay/{intent.client_secret}", data={"card": "<pm>"})

    assert answer.status_code == 400
    assert "&lt;pm&gt;" in answer.text


@pytest.mark.parametrize("path", ["/pay/pi_1_secret_2", "/pay/x", "/setup/x", "/3ds/pi_1/x"])
async def test_a_guess_finds_nothing(sandbox: Running, path: str) -> None:
    intent = await sandbox.intent()

    assert (await sandbox.http.get(path)).status_code == 404
    for other in (f"/setup/{intent.client_secret}", f"/3ds/{intent.id}/"):
        assert (await sandbox.http.get(other)).status_code == 404
