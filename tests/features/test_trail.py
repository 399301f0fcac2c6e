"""Where is this money? From the card to the bank and back, as an owner sees it and as an admin does."""

from typing import Any

import pytest

from domain import treasury
from domain.trail import books
from tests.features.test_checkout import checks_out, on_page, session_of
from tests.features.test_review import in_review, resolve
from tests.features.test_treasury import foreign_payment
from tests.features.test_withdrawal_bank import bank_says, pay_out, reverse
from tests.house import House, Person, intent_of
from tests.house.disputes import complain, conclude, learn, write_off
from tests.house.refunds import paid, refund_deposit
from tests.house.refunds import reaches as refund_reaches
from tests.house.trail import expected, money_trail, name_of, told, whereabouts
from tests.house.treasury import cards_settle, plant

PRICE, FUNDED, PAYOUT, FEES = 100_00, 105_00, 80_00, 25_00


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.onboarded("grace")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def released(ada: Person, grace: Person) -> dict[str, Any]:
    """A job of which the contractor got the price, less the platform's part."""
    escrow = await ada.hires(grace, usd=PRICE)
    await ada.release_escrow(escrow)
    return escrow


async def sent(house: House, person: Person, *, usd: int) -> dict[str, Any]:
    return await house.withdrawal_reaches(person, await person.withdraws(usd=usd), "IN_TRANSIT")


def step(trail: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """The only one of its kind."""
    assert trail is not None
    [found] = [step for step in trail["steps"] if step["kind"] == kind]
    return dict(found)


# ------------------------------------------------------------------ the whole way


async def test_a_deposit_from_the_card_to_the_bank(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    deposit = await paid(house, ada, 210_00)
    await released(ada, grace)
    withdrawal = await sent(house, grace, usd=50_00)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "paid")
    await house.withdrawal_reaches(grace, withdrawal, "PAID")

    assert await told(edith, deposit["id"]) == [
        ("DEPOSIT_REQUESTED", "ada", 210_00, 210_00),
        ("CARD_CHARGED", "ada", 210_00, 210_00),
        ("DEPOSIT", "ada", 210_00, 210_00),
        ("ESCROW_FUNDED", "ada", FUNDED, FUNDED),
        ("ESCROW_RELEASED", "grace", PAYOUT, PAYOUT),
        ("PLATFORM_FEE", None, FEES, FEES),
        ("WITHDRAWAL_REQUESTED", "grace", 50_00, 50_00),
        ("WITHDRAWAL_SENT", "grace", 50_00, 50_00),
        ("PAYOUT", "grace", 50_00, 50_00),
    ]
    assert await whereabouts(edith, deposit["id"]) == {
        ("AVAILABLE", "ada"): 105_00,
        ("PLATFORM", None): FEES,
        ("AVAILABLE", "grace"): 30_00,
        ("PAID_OUT", "grace"): 50_00,
    }
    # The other way round, it is of 50 dollars what became of them, and where they were from.
    back = await money_trail(edith, withdrawal["id"])
    assert back is not None
    assert [(one["kind"], one["share"]["amount"]) for one in back["steps"]] == [
        ("DEPOSIT_REQUESTED", 50_00),
        ("CARD_CHARGED", 50_00),
        ("DEPOSIT", 50_00),
        ("ESCROW_FUNDED", 50_00),
        ("ESCROW_RELEASED", 50_00),
        ("WITHDRAWAL_REQUESTED", 50_00),
        ("WITHDRAWAL_SENT", 50_00),
        ("PAYOUT", 50_00),
    ]
    assert [one["state"] for one in back["steps"]] == [
        "REQUIRES_PAYMENT",
        "SUCCEEDED",
        "SUCCEEDED",
        "FUNDED",
        "RELEASED",
        "PENDING",
        "IN_TRANSIT",
        "paid",
    ]
    assert await expected(edith, deposit["id"]) == ["SETTLEMENT"]


async def test_an_admin_sees_entries_and_what_stripes_balance_shows(
    house: House, ada: Person, edith: Person
) -> None:
    deposit = await paid(house, ada, 50_00)
    await cards_settle(house)
    await treasury.read_balance_transactions(house.runtime)
    trail = await money_trail(edith, deposit["id"])
    charged, fee = step(trail, "CARD_CHARGED"), step(trail, "STRIPE_FEE")
    [movement] = await house.collection("movements").find({"source": {"$regex": "^ch_"}}).to_list()
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert charged["stripeIds"] == [stored["payment_intent_id"], movement["source"], movement["_id"]]
    entry = await house.collection("entries").find_one({"ref": f"deposit:{deposit['id']}:succeeded"})
    assert step(trail, "DEPOSIT")["entry"] == {"id": entry["_id"], "ref": entry["ref"], "hash": entry["hash"]}
    # What the card cost, the platform bears: it is no part of the money.
    assert (fee["amount"]["amount"], fee["share"]["amount"]) == (movement["fee"], 0)
    assert await expected(edith, deposit["id"]) == []
    # By each of its names at Stripe.
    for stripe_id in charged["stripeIds"]:
        assert await money_trail(edith, stripe_id) == trail
    for kind, _, _, _ in await told(ada, deposit["id"]):
        assert kind in {"DEPOSIT_REQUESTED", "CARD_CHARGED", "DEPOSIT"}


async def test_what_is_under_way_says_what_comes_next(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    await paid(house, ada, 210_00)
    escrow = await ada.hires(grace, usd=PRICE, accepted=False)
    assert await expected(ada, escrow["id"]) == ["ACCEPTANCE"]
    await grace.accept_escrow(escrow)
    assert await expected(grace, escrow["id"]) == ["RELEASE"]
    await ada.release_escrow(escrow)
    withdrawal = await sent(house, grace, usd=50_00)
    [arriving] = (await money_trail(grace, withdrawal["id"]) or {})["expected"]
    told_there = (await grace.withdrawal(withdrawal["id"]))["waitingFor"]
    assert {name: arriving[name] for name in told_there} == told_there
    assert arriving["operationId"] == withdrawal["id"]


# ------------------------------------------------------------------ who sees what


async def test_each_sees_their_own_part(house: House, ada: Person, grace: Person, edith: Person) -> None:
    deposit = await paid(house, ada, 210_00)
    escrow = await released(ada, grace)
    withdrawal = await sent(house, grace, usd=50_00)
    job = [("ESCROW_FUNDED", "ada", FUNDED), ("ESCROW_RELEASED", "grace", PAYOUT)]
    card = [(kind, "ada", 210_00) for kind in ("DEPOSIT_REQUESTED", "CARD_CHARGED", "DEPOSIT")]
    bank = [(kind, "grace", 50_00) for kind in ("WITHDRAWAL_REQUESTED", "WITHDRAWAL_SENT")]
    fee = ("PLATFORM_FEE", None, FEES)
    seen: list[tuple[Person, str, list[tuple[str, str | None, int]] | None]] = [
        # Not what the contractor does with it, nor where the customer had it from.
        (ada, deposit["id"], [*card, *job, fee]),
        (ada, escrow["id"], [*card, *job, fee]),
        (ada, withdrawal["id"], None),
        (grace, withdrawal["id"], [*job, *bank]),
        (grace, escrow["id"], [*job, fee, *bank]),
        (grace, deposit["id"], None),
        (edith, escrow["id"], [*card, *job, fee, *bank]),
    ]
    for person, of, steps in seen:
        trail = await money_trail(person, of)
        found = trail and [(one["kind"], name_of(one), one["amount"]["amount"]) for one in trail["steps"]]
        assert found == steps
        is_admin = person is edith
        assert all((one["entry"] is not None) == is_admin for one in (trail or {"steps": []})["steps"][1:])
    assert await whereabouts(ada, deposit["id"]) == {
        ("AVAILABLE", "ada"): 105_00,
        ("PLATFORM", None): FEES,
        ("OTHER_PARTY", "grace"): PAYOUT,
    }
    # Nobody learns by an id of Stripe's what they may not see by ours.
    assert await money_trail(grace, withdrawal["transferId"]) == await money_trail(grace, withdrawal["id"])
    assert await money_trail(ada, withdrawal["transferId"]) is None
    stranger = await house.customer("eve")
    for of in (deposit["id"], escrow["id"], withdrawal["id"], withdrawal["transferId"]):
        assert await money_trail(stranger, of) is None
    answer = await house.nobody().ask('{ moneyTrail(of: "dep_1") { complete } }')
    assert answer.code == "UNAUTHENTICATED"


async def test_what_is_not_there_has_no_trail(edith: Person) -> None:
    nobody = [f"{prefix}_nobody" for prefix in ("dep", "wdr", "esm", "usr", "pi", "po", "re", "ch", "txn")]
    for of in (*nobody, "", "x" * 300):
        assert await money_trail(edith, of) is None


async def test_a_move_and_a_payout_have_trails_too(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    await paid(house, ada, 210_00)
    escrow = await ada.hires(grace, usd=PRICE)
    await grace.refund_escrow(escrow, 25_00)
    [first, last] = (await ada.release_escrow(escrow))["escrow"]["moves"]
    assert await whereabouts(edith, first["id"]) == {("AVAILABLE", "ada"): 26_25}
    kinds = [kind for kind, *_ in await told(edith, last["id"])]
    assert kinds[3:] == ["ESCROW_FUNDED", "ESCROW_RELEASED", "PLATFORM_FEE"]
    one, two = await sent(house, grace, usd=20_00), await sent(house, grace, usd=10_00)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "paid")
    for withdrawal in (one, two):
        await house.withdrawal_reaches(grace, withdrawal, "PAID")
    trail = await money_trail(grace, payout)
    assert trail is not None
    assert trail["amount"]["amount"] == 30_00
    assert {one["operationId"] for one in trail["now"]} == {one["id"], two["id"]}


# ------------------------------------------------------------------ pooled, returned, owed


async def test_what_came_in_first_goes_out_first(house: House, ada: Person, grace: Person) -> None:
    first, second = await paid(house, ada, 60_00), await paid(house, ada, 60_00)
    escrow = await ada.hires(grace, usd=PRICE)
    assert (await told(ada, first["id"]))[3:] == [("ESCROW_FUNDED", "ada", FUNDED, 60_00)]
    assert (await told(ada, second["id"]))[3:] == [("ESCROW_FUNDED", "ada", FUNDED, 45_00)]
    assert await whereabouts(ada, second["id"]) == {("ESCROW", "ada"): 45_00, ("AVAILABLE", "ada"): 15_00}
    # What is given back comes in anew, behind what was there.
    await grace.reject_escrow(escrow)
    await grace.refund_escrow(escrow)
    assert await whereabouts(ada, first["id"]) == {("AVAILABLE", "ada"): 60_00}
    await ada.hires(grace, usd=10_00)
    assert await whereabouts(ada, first["id"]) == {("AVAILABLE", "ada"): 60_00}
    assert await whereabouts(ada, second["id"]) == {("ESCROW", "ada"): 10_50, ("AVAILABLE", "ada"): 49_50}


async def test_what_was_not_sent_or_was_reversed_is_back(house: House, grace: Person, edith: Person) -> None:
    await house.funded(grace, usd=50_00)
    async with house.worker_away():
        canceled = await grace.withdraws(usd=50_00)
        assert await whereabouts(grace, canceled["id"]) == {("HELD", "grace"): 50_00}
        await grace.cancel_withdrawal(canceled)
    assert await whereabouts(grace, canceled["id"]) == {("AVAILABLE", "grace"): 50_00}
    withdrawal = await sent(house, grace, usd=50_00)
    reversal = await reverse(house, withdrawal, 20_00)
    await house.until(lambda: house.count("entries", kind="WITHDRAWAL_REVERSED"))
    assert await whereabouts(grace, canceled["id"]) == {
        ("AVAILABLE", "grace"): 20_00,
        ("SENT", "grace"): 30_00,
    }
    trail = await money_trail(grace, withdrawal["id"])
    assert step(trail, "WITHDRAWAL_REVERSED")["stripeIds"] == [withdrawal["transferId"], reversal["id"]]
    assert [kind for kind, *_ in await told(edith, canceled["id"])] == [
        "ADJUSTMENT",
        "WITHDRAWAL_REQUESTED",
        "WITHDRAWAL_RETURNED",
        "WITHDRAWAL_REQUESTED",
        "WITHDRAWAL_SENT",
        "WITHDRAWAL_REVERSED",
    ]


async def test_a_refund_is_a_step_of_its_deposit_whosever_money_it_took(
    house: House, ada: Person, edith: Person
) -> None:
    first, second = await paid(house, ada, 30_00), await paid(house, ada, 20_00)
    payload = await refund_deposit(edith, second, 20_00)
    assert payload["userErrors"] == []
    await refund_reaches(house, ada, payload["refund"], "SUCCEEDED")
    taken = [("REFUND_REQUESTED", "ada", 20_00), ("REFUND_SENT", "ada", 20_00)]
    # The wallet gave what it had first; the card that was paid back is the other's.
    assert (await told(ada, first["id"]))[3:] == [(*one, 20_00) for one in taken]
    assert (await told(ada, second["id"]))[3:] == [(*one, 0) for one in taken]
    assert await whereabouts(ada, first["id"]) == {("REFUNDED", "ada"): 20_00, ("AVAILABLE", "ada"): 10_00}
    refund = payload["refund"]["id"]
    trail = await money_trail(ada, refund)
    [stripe_id] = step(trail, "REFUND_SENT")["stripeIds"]
    assert await money_trail(ada, stripe_id) == trail


async def test_a_deposit_that_was_not_paid_or_not_as_agreed(house: House, ada: Person, edith: Person) -> None:
    waiting = await ada.deposits(usd=25_00)
    assert await told(ada, waiting["id"]) == [("DEPOSIT_REQUESTED", "ada", 25_00, 0)]
    assert await expected(ada, waiting["id"]) == ["PAYMENT"]
    deposit = await in_review(house, ada)
    assert await whereabouts(ada, deposit["id"]) == {("REVIEW", "ada"): 20_00}
    assert await expected(ada, deposit["id"]) == ["REVIEW"]
    await resolve(edith, deposit, "CREDIT")
    assert await told(ada, deposit["id"]) == [
        ("DEPOSIT_REQUESTED", "ada", 25_00, 20_00),
        ("CARD_CHARGED", "ada", 20_00, 20_00),
        ("UNEXPLAINED", "ada", 20_00, 20_00),
        ("DEPOSIT", "ada", 20_00, 20_00),
    ]
    assert await whereabouts(ada, deposit["id"]) == {("AVAILABLE", "ada"): 20_00}
    taken = await in_review(house, ada)
    dispute = await learn(house, await complain(house, {"intent": intent_of(taken)}))
    assert await whereabouts(ada, taken["id"]) == {("DISPUTED", "ada"): 20_00}
    assert await whereabouts(edith, dispute["_id"]) == {("DISPUTED", "ada"): 20_00}
    other = await in_review(house, ada)
    await resolve(edith, other, "REFUND")
    await house.reaches(ada, other, "CANCELED")
    assert await whereabouts(ada, other["id"]) == {("REFUNDED", "ada"): 20_00}
    [refund] = await house.stripe.objects("refund")
    assert refund["id"] in step(await money_trail(ada, other["id"]), "REFUND_SENT")["stripeIds"]


async def test_a_dispute_of_money_that_is_gone_says_who_owes_what(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    deposit = await paid(house, ada, FUNDED)
    await released(ada, grace)
    row = await learn(house, await complain(house, deposit))
    assert (await told(ada, deposit["id"]))[-2:] == [
        ("DISPUTE_OPENED", "ada", FUNDED, 0),
        ("DISPUTE_WITHDRAWN", "ada", FUNDED, 0),
    ]
    # The money is where it was: what the bank took, the wallet owes.
    assert await whereabouts(edith, deposit["id"]) == {
        ("PLATFORM", None): FEES,
        ("AVAILABLE", "grace"): PAYOUT,
    }
    assert await whereabouts(edith, row["_id"]) == {("DISPUTED", "ada"): FUNDED}
    trail = await money_trail(edith, row["stripe_id"])
    [debt] = [one for one in (trail or {})["expected"] if one["code"] == "DEBT"]
    assert (debt["amount"]["amount"], name_of(debt), debt["operationId"]) == (FUNDED, "ada", row["_id"])
    assert step(trail, "DISPUTE_WITHDRAWN")["stripeIds"][0] == row["stripe_id"]
    # Until when evidence may be sent is the desk's, and so is the bank's case.
    [evidence] = [one for one in (trail or {})["expected"] if one["code"] == "EVIDENCE"]
    assert evidence["until"] is not None
    own = await money_trail(ada, row["_id"])
    assert [(one["code"], one["until"]) for one in (own or {})["expected"]] == [
        ("EVIDENCE", None),
        ("DEBT", None),
    ]
    assert step(own, "DISPUTE_WITHDRAWN")["stripeIds"] == []

    # What comes in next pays it first, and is gone with what the bank took.
    later = await paid(house, ada, 60_00)
    assert await whereabouts(ada, later["id"]) == {("DISPUTED", "ada"): 60_00}
    written_off = await write_off(edith, row)
    assert written_off["userErrors"] == []
    assert await expected(ada, row["_id"]) == ["EVIDENCE"]
    # Won: of what comes back the platform has its loss back first, and the wallet the rest.
    await conclude(house, row, "won")
    loss = FUNDED - 60_00
    assert await whereabouts(edith, later["id"]) == {("AVAILABLE", "ada"): 60_00}
    assert await whereabouts(edith, row["_id"]) == {("PLATFORM", None): loss, ("AVAILABLE", "ada"): 60_00}
    assert [kind for kind, *_ in await told(edith, row["_id"])] == [
        "DEPOSIT_REQUESTED",
        "CARD_CHARGED",
        "DEPOSIT",
        "DISPUTE_OPENED",
        "DISPUTE_WITHDRAWN",
        "DEPOSIT_REQUESTED",
        "CARD_CHARGED",
        "DEPOSIT",
        "DISPUTE_WRITTEN_OFF",
        "DISPUTE_REINSTATED",
        "DISPUTE_REINSTATED",
    ]


async def test_a_checkout_is_known_by_its_session(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    session = session_of(deposit)
    assert await money_trail(ada, session) == await money_trail(ada, deposit["id"])
    await on_page(house, deposit)
    await house.settled(ada, deposit)
    trail = await money_trail(ada, session)
    stored = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert step(trail, "CARD_CHARGED")["stripeIds"] == [session, stored["payment_intent_id"]]


async def test_what_nothing_of_ours_caused_is_for_admins(house: House, ada: Person, edith: Person) -> None:
    await foreign_payment(house, 7_00)
    await cards_settle(house)
    [topped_up] = await plant(house, "topup", 3_00)
    await treasury.read_balance_transactions(house.runtime)
    movement = await house.collection("movements").find_one({"outcome": "UNEXPLAINED"})
    for stripe_id in (movement["_id"], movement["source"]):
        kinds = [kind for kind, _, _, share in await told(edith, stripe_id) if share]
        assert kinds == ["UNEXPLAINED"]
        assert ("REVIEW", None) in await whereabouts(edith, stripe_id)
        assert await money_trail(ada, stripe_id) is None
    assert await told(edith, topped_up) == [("BANK", None, 3_00, 3_00)]


# ------------------------------------------------------------------ bounds


async def test_a_trail_that_is_too_long_says_so(
    house: House, ada: Person, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    deposit = await paid(house, ada, 210_00)
    for _ in range(3):
        await ada.hires(grace, usd=10_00)
    monkeypatch.setattr("domain.trail.following.PARCELS_MAX", 3)
    trail = await money_trail(ada, deposit["id"])
    assert trail is not None
    assert trail["complete"] is False
    assert await whereabouts(ada, deposit["id"]) == {
        ("ESCROW", "ada"): 21_00,
        ("AVAILABLE", "ada"): 178_50,
        ("NOT_FOLLOWED", None): 10_50,
    }
    monkeypatch.setattr(books, "LINES_MAX", 0)
    assert await whereabouts(ada, deposit["id"]) == {("NOT_FOLLOWED", None): 210_00}
    monkeypatch.undo()
    monkeypatch.setattr(books, "ENTRIES_MAX", 2)
    assert await whereabouts(ada, deposit["id"]) == {
        ("AVAILABLE", "ada"): 178_50,
        ("NOT_FOLLOWED", None): 31_50,
    }
