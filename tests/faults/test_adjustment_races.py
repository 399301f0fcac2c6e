"""Administrators who act at the same moment: one entry, one record, and never more than the rules allow."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.features.test_freezes import codes
from tests.house import House, Person
from tests.house.adjustments import adjust, confirm, in_debt, reject, waiting, wallet_id

ROUNDS = 8


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.funded(await house.customer("ada"), usd=300_00)


@pytest.fixture
async def admins(house: House) -> list[Person]:
    return [await house.admin(name) for name in ("edith", "fritz", "gustav")]


async def acts(house: House, subject: dict[str, Any]) -> list[str]:
    return [row["act"] async for row in house.collection("audit_records").find({"subject": subject["id"]})]


async def test_two_who_confirm_at_once_post_it_once(house: House, ada: Person, admins: list[Person]) -> None:
    edith, fritz, gustav = admins
    wallet = await wallet_id(ada)
    for number in range(1, ROUNDS + 1):
        asked = await waiting(edith, wallet, 200_00)
        payloads = await asyncio.gather(*(confirm(admin, asked) for admin in (fritz, gustav) * 2))
        # All four are told the same: whose word it was, too.
        assert [codes(payload) for payload in payloads] == [[]] * 4
        assert len({str(payload["adjustment"]) for payload in payloads}) == 1
        assert await house.count("entries", operation=asked["id"]) == 1
        assert sorted(await acts(house, asked)) == ["ADJUSTMENT_ASKED_FOR", "ADJUSTMENT_CONFIRMED"]
        assert await ada.available() == 300_00 + number * 200_00
    assert await house.ledger_is_sound()


async def test_of_confirming_and_rejecting_that_race_one_counts(
    house: House, ada: Person, admins: list[Person]
) -> None:
    edith, fritz, gustav = admins
    wallet, available = await wallet_id(ada), 300_00
    for _ in range(ROUNDS):
        asked = await waiting(edith, wallet, 200_00)
        yes, no = await asyncio.gather(confirm(fritz, asked), reject(gustav, asked))
        assert sorted([codes(yes), codes(no)]) == [[], ["INVALID_STATE"]]
        posted = not codes(yes)
        assert await house.count("entries", operation=asked["id"]) == posted
        assert len(await acts(house, asked)) == 2
        available += posted * 200_00
        assert await ada.available() == available
    assert await house.ledger_is_sound()


async def test_of_adjustments_that_race_no_admin_posts_more_than_the_limit_alone(
    house: House, ada: Person, admins: list[Person]
) -> None:
    edith, *_ = admins
    wallet = await wallet_id(ada)
    made = await asyncio.gather(*(adjust(edith, wallet, 30_00) for _ in range(8)))
    statuses = Counter(payload["adjustment"]["status"] for payload in made)
    assert statuses == {"POSTED": 3, "AWAITING_CONFIRMATION": 5}
    assert await ada.available() == 300_00 + 90_00
    assert await house.ledger_is_sound()


async def test_what_is_taken_at_once_is_never_more_than_there_is(
    house: House, ada: Person, admins: list[Person]
) -> None:
    """By administrators, and by its owner, who hires somebody."""
    edith, fritz, gustav = admins
    wallet, grace = await wallet_id(ada), await house.contractor("grace")
    asked = [await waiting(edith, wallet, -200_00) for _ in range(2)]
    *confirmed, hired = await asyncio.gather(
        confirm(fritz, asked[0]), confirm(gustav, asked[1]), ada.create_escrow(grace, 200_00)
    )
    every = [codes(payload) for payload in (*confirmed, hired)]
    assert sorted(every) == [[], ["INSUFFICIENT_FUNDS"], ["INSUFFICIENT_FUNDS"]]
    assert await ada.available() == 300_00 - (200_00 if codes(hired) else 210_00)
    assert await house.ledger_is_sound()


async def test_a_debt_is_written_off_once(house: House, ada: Person, admins: list[Person]) -> None:
    wallet = await in_debt(house, ada, 350_00)
    made = await asyncio.gather(*(adjust(admin, wallet, 50_00, kind="WRITE_OFF") for admin in admins))
    assert sorted(codes(payload) for payload in made) == [[], ["INVALID_INPUT"], ["INVALID_INPUT"]]
    assert await ada.available() == 0
    assert await house.ledger_is_sound()
