"""Money out, as its owner sees it: reserved at once, sent once, given back when it is not sent."""

from tests.house import House


async def test_what_is_asked_for_is_reserved_at_once(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=50_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
    assert withdrawal["status"] == "PENDING"
    assert (await grace.available(), await grace.held()) == (30_00, 20_00)


async def test_its_owner_may_change_their_mind_before_it_is_sent(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=50_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        canceled = (await grace.cancel_withdrawal(withdrawal))["withdrawal"]
    assert canceled["status"] == "CANCELED"
    assert (await grace.available(), await grace.held()) == (50_00, 0)
    assert await house.ledger_is_sound()
