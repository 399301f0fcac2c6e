"""Deposits by card, as people and Stripe make them."""

from tests.house import House


async def test_a_paid_deposit_raises_the_wallet(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    assert deposit["status"] == "REQUIRES_PAYMENT"
    await house.pay(deposit)
    settled = await house.settled(ada, deposit)
    assert settled["status"] == "SUCCEEDED"
    assert settled["received"]["amount"] == 25_00
    assert settled["clientSecret"] is None
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()
