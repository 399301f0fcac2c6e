"""Several ask at once, or something breaks off: each dollar leaves an escrow once, and one answer wins."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from domain import escrow
from tests.features.test_escrow import FUNDS, codes
from tests.features.test_freezes import freeze, wallet_id
from tests.house import House, Person

ENDINGS = {"REJECTED", "CANCELED", "EXPIRED"}


@pytest.fixture
async def ada(house: House) -> Person:
    """A customer with 1,000 dollars."""
    return await house.funded(await house.customer("ada"), usd=FUNDS)


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.contractor("grace")


async def race(*attempts: Awaitable[dict[str, Any]]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The payloads that were no refusals, and the codes of those that were."""
    payloads = await asyncio.gather(*attempts)
    refusals = Counter(code for payload in payloads for code, _ in codes(payload))
    return [payload for payload in payloads if not payload["userErrors"]], refusals


async def present(person: Person, job: dict[str, Any]) -> dict[str, Any]:
    return await person.escrow(job["id"]) or {}


# ------------------------------------------------------------------ funding


async def test_of_twenty_jobs_for_all_the_money_one_is_funded(house: House, grace: Person) -> None:
    ada = await house.funded(await house.customer("ada"), usd=105_00)
    funded, refusals = await race(*(ada.create_escrow(grace, 100_00) for _ in range(20)))
    assert (len(funded), refusals) == (1, {"INSUFFICIENT_FUNDS": 19})
    assert (await ada.available(), await ada.in_escrow()) == (0, 105_00)
    assert await house.ledger_is_sound()


async def test_racing_copies_make_one_escrow(house: House, ada: Person, grace: Person) -> None:
    made, refusals = await race(*(ada.create_escrow(grace, 100_00, key="hire") for _ in range(20)))
    assert not refusals
    assert len({payload["escrow"]["id"] for payload in made}) == 1
    assert Counter(payload["idempotency"]["replayed"] for payload in made) == {False: 1, True: 19}
    assert await ada.available() == FUNDS - 105_00
    assert await house.ledger_is_sound()


async def test_racing_uses_of_one_key_for_two_wallets_make_one_escrow(
    house: House, ada: Person, grace: Person
) -> None:
    """They share no document: MongoDB's index decides, and the loser is told why."""
    deposit = (await ada.create_deposit(105_00, currency="EUR"))["deposit"]
    await house.pay(deposit)
    await house.settled(ada, deposit)
    for number in range(5):
        made, refusals = await race(
            *(
                ada.create_escrow(grace, 1_00, key=f"hire {number}", currency=currency)
                for currency in ("USD", "EUR") * 2
            )
        )
        assert (len(made), refusals) == (2, {"IDEMPOTENCY_KEY_REUSED": 2})
        assert len({payload["escrow"]["id"] for payload in made}) == 1
    assert await house.count("escrows") == 5
    assert await house.ledger_is_sound()


async def test_racing_uses_of_one_key_for_two_escrows_make_one_move(
    house: House, ada: Person, grace: Person
) -> None:
    jobs = [await ada.hires(grace, usd=10_00) for _ in range(2)]
    for number in range(5):
        paid, refusals = await race(*(ada.release_escrow(job, 1_00, key=f"pay {number}") for job in jobs * 2))
        assert (len(paid), refusals) == (2, {"IDEMPOTENCY_KEY_REUSED": 2})
    assert await house.count("escrow_moves") == 5
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ paying


async def test_of_many_releases_of_the_whole_rest_one_wins(house: House, ada: Person, grace: Person) -> None:
    job = await ada.hires(grace, usd=100_00)
    paid, refusals = await race(*(ada.release_escrow(job) for _ in range(20)))
    assert (len(paid), refusals) == (1, {"INVALID_STATE": 19})
    assert await grace.available() == 80_00
    assert await house.ledger_is_sound()


async def test_racing_milestones_never_exceed_the_price(house: House, ada: Person, grace: Person) -> None:
    """Of the customer's releases and the contractor's refunds, of 30 dollars each, three fit into 100."""
    job = await ada.hires(grace, usd=100_00)
    paid, refusals = await race(
        *(ada.release_escrow(job, 30_00) for _ in range(6)),
        *(grace.refund_escrow(job, 30_00) for _ in range(6)),
    )
    assert (len(paid), refusals) == (3, {"INVALID_INPUT": 9})
    now = await present(ada, job)
    assert now["released"]["amount"] + now["refunded"]["amount"] == 90_00
    assert await house.ledger_is_sound()


async def test_the_same_key_twenty_times_at_once_is_one_move(
    house: House, ada: Person, grace: Person
) -> None:
    job = await ada.hires(grace, usd=100_00)
    paid, refusals = await race(*(ada.release_escrow(job, 10_00, key="milestone") for _ in range(20)))
    assert not refusals
    assert Counter(payload["idempotency"]["replayed"] for payload in paid) == {False: 1, True: 19}
    assert {payload["escrow"]["released"]["amount"] for payload in paid} == {10_00}
    assert await grace.available() == 8_00
    assert await house.ledger_is_sound()


async def test_of_two_admins_who_decide_at_once_one_does(house: House, ada: Person, grace: Person) -> None:
    admins = [await house.admin(name) for name in ("edith", "emmy")]
    job = await ada.hires(grace, usd=100_00)
    await ada.dispute_escrow(job)
    decided, refusals = await race(
        *(admin.resolve_escrow(job, release) for admin, release in zip(admins, (100_00, 0), strict=True)),
        *(admin.resolve_escrow(job, 50_00) for admin in admins),
    )
    assert (len(decided), refusals) == (1, {"INVALID_STATE": 3})
    [winner] = decided
    now = await present(ada, job)
    assert (now["status"], now["moves"]) == (winner["escrow"]["status"], winner["escrow"]["moves"])
    assert await house.ledger_is_sound()


async def test_a_freeze_and_a_release_exclude_each_other(house: House, ada: Person, grace: Person) -> None:
    """What the customer releases, they released before the freeze: never after it."""
    edith = await house.admin("edith")
    wallet = await wallet_id(ada)
    job = await ada.hires(grace, usd=100_00)
    releases = [asyncio.create_task(ada.release_escrow(job, 1_00)) for _ in range(20)]
    frozen = (await freeze(edith, wallet))["wallet"]["freezes"][0]["at"]
    payloads = await asyncio.gather(*releases)
    assert {code for payload in payloads for code, _ in codes(payload)} <= {"WALLET_FROZEN"}
    moves = (await present(ada, job))["moves"]
    assert len(moves) == sum(not payload["userErrors"] for payload in payloads)
    assert codes(await ada.release_escrow(job, 1_00)) == [("WALLET_FROZEN", ["id"])]
    # A transaction's instant is set when it begins: of two that overlap, the second has run again.
    assert all(move["at"] <= frozen for move in moves)
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ accepted, or not


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_one_answer_wins(house: House, ada: Person, grace: Person, minutes: int) -> None:
    """Accepted, rejected, canceled and expired at once, shortly before and after its time."""
    await house.stop_worker()
    jobs = [await ada.hires(grace, usd=10_00, accepted=False) for _ in range(6)]
    house.clock.advance(seconds=(timedelta(days=7) + timedelta(minutes=minutes)).total_seconds())
    await ada.refresh()
    await grace.refresh()

    async def answers(job: dict[str, Any]) -> list[dict[str, Any]]:
        asked = (grace.accept_escrow(job), grace.reject_escrow(job), ada.cancel_escrow(job))
        return list(await asyncio.gather(*asked))

    answering = asyncio.gather(*(answers(job) for job in jobs))
    await house.sweep()
    results = await answering
    await house.start_worker()
    for job, answered in zip(jobs, results, strict=True):
        now = await present(ada, job)
        statuses = [change["status"] for change in now["history"]]
        assert statuses == ["FUNDED", now["status"]]
        accepted = now["status"] == "ACCEPTED"
        assert accepted or now["status"] in ENDINGS
        assert not (accepted and minutes > 0)
        assert minutes > 0 or now["status"] != "EXPIRED"
        winners = [payload["escrow"]["status"] for payload in answered if not payload["userErrors"]]
        assert winners == ([] if now["status"] == "EXPIRED" else [now["status"]])
        assert [move["net"]["amount"] for move in now["moves"]] == ([] if accepted else [10_50])
    assert await house.ledger_is_sound()


async def test_an_expiry_that_was_claimed_too_early_waits_for_its_time(
    house: House, ada: Person, grace: Person
) -> None:
    """Clocks of several processes differ: what counts is the instant of the transaction that pays back."""
    job = await ada.hires(grace, usd=10_00, accepted=False)
    early = await escrow.find(job["id"])
    assert early is not None
    await escrow.expire(house.runtime, early)
    assert (await present(ada, job))["status"] == "FUNDED"
    assert await ada.available() == FUNDS - 10_50


# ------------------------------------------------------------------ cut off in the middle


@pytest.mark.parametrize(
    ("command", "collection"),
    [("insert", "entries"), ("insert", "escrow_moves"), ("findAndModify", "escrows"), ("update", "wallets")],
)
async def test_a_release_that_breaks_off_moves_nothing_and_may_be_repeated(
    house: House, ada: Person, grace: Person, command: str, collection: str
) -> None:
    job = await ada.hires(grace, usd=100_00)
    async with house.mongo_failing(command, collection, times=1):
        query = (
            'mutation ($id: ID!) { releaseEscrow(input: {id: $id, idempotencyKey: "pay"}) { escrow { id } } }'
        )
        broken = await ada.ask(query, {"id": job["id"]})
    assert broken.code == "INTERNAL_SERVER_ERROR"
    assert (await grace.available(), await house.count("escrow_moves")) == (0, 0)
    assert (await present(ada, job))["status"] == "ACCEPTED"
    again = await ada.release_escrow(job, key="pay")
    assert (again["escrow"]["status"], again["idempotency"]["replayed"]) == ("RELEASED", False)
    assert await grace.available() == 80_00
    assert await house.ledger_is_sound()


async def test_an_expiry_that_breaks_off_is_due_again(house: House, ada: Person, grace: Person) -> None:
    job = await ada.hires(grace, usd=10_00, accepted=False)
    await house.stop_worker()
    house.clock.advance(days=7, minutes=1)
    async with house.mongo_failing("insert", "entries", times=1):
        await house.sweep()
    await ada.refresh()
    assert (await present(ada, job))["status"] == "FUNDED"
    assert await house.count("escrow_moves") == 0
    house.clock.advance(seconds=4)  # its lease ends
    await house.sweep()
    assert (await present(ada, job))["status"] == "EXPIRED"
    assert await ada.available() == FUNDS
    await house.start_worker()
    assert await house.ledger_is_sound()
