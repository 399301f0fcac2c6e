"""Where is this money? From the card to the bank and back, as an owner sees it and as an admin does."""

from typing import Any

import pytest

from tests.features.test_withdrawal_bank import bank_says, pay_out
from tests.house import House, Person
from tests.house.trail import expected, money_trail, told, whereabouts


async def paid_in(house: House, person: Person, *, usd: int) -> dict[str, Any]:
    """A deposit by card that is in the wallet."""
    deposit = await person.deposits(usd=usd)
    await house.pay(deposit)
    return await house.settled(person, deposit)


async def test_a_deposit_from_the_card_to_the_bank(house: House) -> None:
    ada, edith = await house.customer(), await house.admin()
    grace = await house.onboarded()
    deposit = await paid_in(house, ada, usd=210_00)
    escrow = await ada.hires(grace, usd=100_00)
    await ada.release_escrow(escrow)
    withdrawal = await house.withdrawal_reaches(grace, await grace.withdraws(usd=50_00), "IN_TRANSIT")
    payout = await pay_out(house, grace)
    import json

    print(json.dumps(await money_trail(edith, deposit["id"]), indent=1))
    print(json.dumps(await money_trail(ada, deposit["id"]), indent=1))
    print(json.dumps(await money_trail(edith, withdrawal["id"]), indent=1))
    print(json.dumps(await money_trail(grace, withdrawal["id"]), indent=1))
    assert 0
