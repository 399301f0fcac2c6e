"""What leaves an escrow: released, refunded, or decided by an admin, and never more than the rest."""

from typing import Any

import pytest

from domain.escrow import payments
from domain.identity import Role
from domain.kernel.money import MINOR_UNITS_MAX
from tests.features.test_escrow import FUNDS, codes, history, moved, refused, status
from tests.features.test_freezes import freeze, unfreeze, wallet_id
from tests.house import House, Person


@pytest.fixture
async def ada(house: House) -> Person:
    """A customer with 1,000 dollars."""
    return await house.funded(await house.customer("ada"), usd=FUNDS)


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.contractor("grace")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


@pytest.fixture
async def escrow(ada: Person, grace: Person) -> dict[str, Any]:
    """A job of 100 dollars, accepted."""
    return await ada.hires(grace, usd=100_00)


async def given_roles(house: House, person: Person, *roles: Role) -> Person:
    """Also such as nobody can choose at sign-up."""
    await house.collection("users").update_one({"_id": person.id}, {"$set": {"roles": list(roles)}})
    await person.refresh()
    return person


def waits_for(payload: dict[str, Any]) -> str | None:
    waiting = payload["escrow"]["waitingFor"]
    return waiting and str(waiting["code"])


# ------------------------------------------------------------------ released


async def test_nobody_moves_more_than_the_rest(
    house: House, ada: Person, grace: Person, escrow: dict[str, Any]
) -> None:
    await ada.release_escrow(escrow, 30_00)
    await grace.refund_escrow(escrow, 10_00)
    before = await moved(house)
    for amount in (0, -1, 60_01, 100_00, MINOR_UNITS_MAX):
        for payload in (
            await ada.release_escrow(escrow, amount, key="milestone"),
            await grace.refund_escrow(escrow, amount, key="milestone"),
        ):
            assert (payload["escrow"], codes(payload)) == (None, [("INVALID_INPUT", ["amount"])])
    assert await moved(house) == before
    # A refusal uses up no key.
    assert status(await ada.release_escrow(escrow, 60_00, key="milestone")) == "SPLIT"


async def test_what_is_left_after_a_hundred_parts_moves_as_a_whole(
    house: House, ada: Person, grace: Person, escrow: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert payments.PARTS_MAX == 100
    monkeypatch.setattr(payments, "PARTS_MAX", 3)
    for _ in range(3):
        await ada.release_escrow(escrow, 1)
    for payload in (await ada.release_escrow(escrow, 1), await grace.refund_escrow(escrow, 99_96)):
        assert codes(payload) == [("INVALID_INPUT", ["amount"])]
    assert status(await ada.release_escrow(escrow, 99_97)) == "RELEASED"
    assert await grace.available() == 80_00
    assert await house.ledger_is_sound()


async def test_the_same_key_releases_once(house: House, ada: Person, escrow: dict[str, Any]) -> None:
    first = await ada.release_escrow(escrow, 10_00, key="milestone")
    await ada.release_escrow(escrow, 5_00)
    again = await ada.release_escrow(escrow, 10_00, key="milestone")
    assert again["idempotency"] == {**first["idempotency"], "replayed": True}
    # In its present state.
    assert again["escrow"]["released"]["amount"] == 15_00
    [error] = (await ada.release_escrow(escrow, 11_00, key="milestone"))["userErrors"]
    assert (error["code"], error["conflictingFields"]) == ("IDEMPOTENCY_KEY_REUSED", ["amount"])
    other = await ada.release_escrow({"id": "esc_nobody"}, 10_00, key="milestone")
    assert codes(other) == [("NOT_FOUND", ["id"])]
    assert await house.count("escrow_moves") == 2

    whole = await ada.release_escrow(escrow, key="the rest")
    assert status(whole) == "RELEASED"
    assert (await ada.release_escrow(escrow, key="the rest"))["idempotency"]["replayed"] is True
    assert codes(await ada.release_escrow(escrow, key="once more")) == [("INVALID_STATE", ["id"])]
    assert await house.ledger_is_sound()


async def test_a_key_of_one_escrow_is_not_one_of_another(
    ada: Person, grace: Person, escrow: dict[str, Any]
) -> None:
    other = await ada.hires(grace, usd=50_00)
    await ada.release_escrow(escrow, 10_00, key="milestone")
    [error] = (await ada.release_escrow(other, 10_00, key="milestone"))["userErrors"]
    assert (error["code"], error["conflictingFields"]) == ("IDEMPOTENCY_KEY_REUSED", ["id"])
    assert (await ada.escrow(other["id"]) or {})["released"]["amount"] == 0


async def test_a_contractor_never_releases_to_themself(house: House, ada: Person) -> None:
    """Not with a second role either, and not as an administrator: who is a party is only that."""
    both = await house.nobody().sign_up("both", "CUSTOMER", "CONTRACTOR")
    escrow = await ada.hires(both, usd=100_00)
    before = await moved(house)
    assert await refused(both, "releaseEscrow", id=escrow["id"], idempotencyKey="mine") == "FORBIDDEN"
    await given_roles(house, both, Role.CUSTOMER, Role.CONTRACTOR, Role.ADMIN)
    assert await refused(both, "releaseEscrow", id=escrow["id"], idempotencyKey="mine") == "FORBIDDEN"
    assert status(await both.dispute_escrow(escrow)) == "DISPUTED"
    decision = {"id": escrow["id"], "releaseAmount": 100_00, "reason": "why not", "idempotencyKey": "mine"}
    assert await refused(both, "resolveEscrow", **decision) == "FORBIDDEN"
    assert await moved(house) == before
    assert await both.available() == 0


async def test_a_customer_never_takes_back_what_was_accepted(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    """Not as a contractor of others, nor as an administrator."""
    before = await moved(house)
    await given_roles(house, ada, Role.CUSTOMER, Role.CONTRACTOR, Role.ADMIN)
    back = {"id": escrow["id"], "idempotencyKey": "mine"}
    assert await refused(ada, "refundEscrow", **back) == "FORBIDDEN"
    assert await refused(ada, "cancelEscrow", id=escrow["id"]) == "INVALID_STATE"
    assert status(await ada.dispute_escrow(escrow)) == "DISPUTED"
    assert await refused(ada, "refundEscrow", **back) == "FORBIDDEN"
    decision = {**back, "releaseAmount": 0, "reason": "mine"}
    assert await refused(ada, "resolveEscrow", **decision) == "FORBIDDEN"
    assert await moved(house) == before
    assert (await house.collection("escrows").find_one({"_id": escrow["id"]}))["locked"] == 105_00


async def test_who_may_never_and_who_sees_nothing(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    charles, hopper = await house.customer("charles"), await house.contractor("hopper")
    pay = {"id": escrow["id"], "idempotencyKey": "mine"}
    decide = {**pay, "releaseAmount": 1_00, "reason": "why not"}
    before = await moved(house)
    wanted: list[tuple[Person, str, str, str]] = [
        (ada, "may", "FORBIDDEN", "FORBIDDEN"),
        (grace, "FORBIDDEN", "may", "FORBIDDEN"),
        (charles, "NOT_FOUND", "FORBIDDEN", "FORBIDDEN"),
        (hopper, "FORBIDDEN", "NOT_FOUND", "FORBIDDEN"),
        (edith, "may", "may", "INVALID_STATE"),
        (house.nobody(), "UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"),
    ]
    for person, *answers in wanted:
        mutations = ("releaseEscrow", pay), ("refundEscrow", pay), ("resolveEscrow", decide)
        for (mutation, command), answer in zip(mutations, answers, strict=True):
            if answer != "may":
                assert await refused(person, mutation, **command) == answer
    assert await moved(house) == before


async def test_nothing_is_released_before_it_is_accepted(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    before = await moved(house)
    for payload in (
        await ada.release_escrow(escrow),
        await edith.release_escrow(escrow),
        await grace.refund_escrow(escrow),
        await grace.dispute_escrow(escrow),
    ):
        assert codes(payload) == [("INVALID_STATE", ["id"])]
    assert await moved(house) == before


# ------------------------------------------------------------------ refunded


async def test_a_contractor_refunds_a_part_and_is_paid_the_rest(
    house: House, ada: Person, grace: Person, escrow: dict[str, Any]
) -> None:
    part = await grace.refund_escrow(escrow, 33_33, reason="a third was not done")
    assert status(part) == "ACCEPTED"
    [move] = part["escrow"]["moves"]
    assert (move["kind"], move["reason"], move["actor"]) == ("REFUND", "a third was not done", "other party")
    # A third of the price, and of the platform fee of 5 dollars, rounded down.
    assert move["net"]["amount"] == 33_33 + 1_66
    last = await ada.release_escrow(escrow)
    assert status(last) == "SPLIT"
    assert (await ada.available(), await grace.available()) == (FUNDS - 105_00 + 34_99, 53_33)
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("disputed", [False, True])
async def test_a_contractor_gives_all_of_it_back_at_any_time(
    house: House, ada: Person, grace: Person, escrow: dict[str, Any], disputed: bool
) -> None:
    if disputed:
        await ada.dispute_escrow(escrow)
    first = await grace.refund_escrow(escrow, 40_00)
    assert status(first) == ("DISPUTED" if disputed else "ACCEPTED")
    assert status(await grace.refund_escrow(escrow)) == "REFUNDED"
    assert (await ada.available(), await grace.available()) == (FUNDS, 0)
    assert codes(await grace.refund_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert await house.ledger_is_sound()


async def test_an_admin_refunds_what_was_not_accepted_wholly_or_not(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    assert codes(await edith.refund_escrow(escrow, 99_99)) == [("INVALID_INPUT", ["amount"])]
    refunded = await edith.refund_escrow(escrow, 100_00, reason="the job was a fraud")
    assert history(refunded["escrow"])[1:] == [("REFUNDED", "admin", "the job was a fraud")]
    assert await ada.available() == FUNDS
    assert codes(await grace.accept_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ disputed


async def test_a_dispute_stops_the_customer_until_an_admin_decides(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    await ada.release_escrow(escrow, 20_00)
    assert codes(await ada.dispute_escrow(escrow, "")) == [("INVALID_INPUT", ["reason"])]
    disputed = await grace.dispute_escrow(escrow, "she does not pay.")
    assert (status(disputed), waits_for(disputed)) == ("DISPUTED", "DECISION")
    assert history(disputed["escrow"])[-1] == ("DISPUTED", "other party", "she does not pay.")
    again = await grace.dispute_escrow(escrow, "she still does not.")
    assert again["escrow"]["history"] == disputed["escrow"]["history"]
    assert codes(await ada.dispute_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert codes(await ada.release_escrow(escrow, 10_00)) == [("INVALID_STATE", ["id"])]

    # An administrator may also release a part, and the job goes on.
    going_on = await edith.release_escrow(escrow, 30_00)
    assert (status(going_on), waits_for(going_on)) == ("PARTIALLY_RELEASED", "RELEASE")
    assert status(await ada.release_escrow(escrow)) == "RELEASED"
    assert await grace.available() == 80_00
    assert await house.ledger_is_sound()


@pytest.mark.parametrize(
    ("release", "outcome", "shares"),
    [(0, "REFUNDED", (0, 105_00)), (100_00, "RELEASED", (80_00, 0)), (25_01, "SPLIT", (20_00, 78_73))],
)
async def test_an_admin_decides_a_dispute(
    house: House, edith: Person, release: int, outcome: str, shares: tuple[int, int]
) -> None:
    ada = await house.funded(await house.customer("ada"), usd=105_00)
    grace = await house.contractor("grace")
    escrow = await ada.hires(grace, usd=100_00)
    await ada.dispute_escrow(escrow)
    decided = await edith.resolve_escrow(escrow, release, key="decision", reason="as far as it was done")
    assert status(decided) == outcome
    # One change, whatever it took.
    assert history(decided["escrow"])[2:] == [
        ("DISPUTED", "owner", "not done."),
        (outcome, "admin", "as far as it was done"),
    ]
    amounts = [
        (move["kind"], move["amount"]["amount"], move["actor"], move["reason"])
        for move in decided["escrow"]["moves"]
    ]
    reason = "as far as it was done"
    assert amounts == [
        step
        for step in [("RELEASE", release, "admin", reason), ("REFUND", 100_00 - release, "admin", reason)]
        if step[1]
    ]
    assert (await grace.available(), await ada.available()) == shares
    again = await edith.resolve_escrow(escrow, release, key="decision", reason="as far as it was done")
    assert (again["idempotency"]["replayed"], again["escrow"]["status"]) == (True, outcome)
    assert codes(await edith.resolve_escrow(escrow, release)) == [("INVALID_STATE", ["id"])]
    assert await house.ledger_is_sound()


async def test_a_decision_must_fit_the_rest_and_say_why(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    await ada.release_escrow(escrow, 40_00)
    await ada.dispute_escrow(escrow)
    before = await moved(house)
    for release, reason, field in [
        (-1, "why not", "releaseAmount"),
        (60_01, "why not", "releaseAmount"),
        (60_00, " ", "reason"),
        (60_00, "x" * 501, "reason"),
    ]:
        decided = await edith.resolve_escrow(escrow, release, reason=reason, key="decision")
        assert codes(decided) == [("INVALID_INPUT", [field])]
    assert await moved(house) == before
    # What was released before counts: none of the rest to the contractor is still a split.
    assert status(await edith.resolve_escrow(escrow, 0, key="decision")) == "SPLIT"
    assert await grace.available() == 32_00
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ while the customer's wallet is frozen


async def test_from_a_frozen_wallet_only_an_admin_releases(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    await freeze(edith, await wallet_id(ada))
    before = await moved(house)
    assert codes(await ada.release_escrow(escrow)) == [("WALLET_FROZEN", ["id"])]
    assert await moved(house) == before
    assert ((await grace.escrow(escrow["id"]) or {})["waitingFor"])["code"] == "WALLET_FROZEN"
    # What goes back to it goes in, and what an administrator releases goes out.
    assert status(await grace.refund_escrow(escrow, 10_00)) == "ACCEPTED"
    assert status(await edith.release_escrow(escrow, 30_00)) == "PARTIALLY_RELEASED"
    assert await grace.available() == 24_00
    await unfreeze(edith, await wallet_id(ada))
    assert status(await ada.release_escrow(escrow)) == "SPLIT"
    assert await house.ledger_is_sound()


async def test_a_contractors_frozen_wallet_still_takes_in(
    house: House, ada: Person, grace: Person, edith: Person, escrow: dict[str, Any]
) -> None:
    await freeze(edith, await wallet_id(grace))
    assert status(await ada.release_escrow(escrow)) == "RELEASED"
    assert await grace.available() == 80_00
