"""Administrators correct a wallet: with a reason, never their own, the large ones by two, none below zero."""

import asyncio
from typing import Any

import pytest
from ulid import ULID

from domain import withdrawals
from domain.identity import Role
from tests.features.test_escrow_payments import given_roles
from tests.house import House, Person
from tests.house.adjustments import (
    ADJUST,
    ADJUSTMENT_FIELDS,
    CONFIRM,
    REJECT,
    adjust,
    confirm,
    in_debt,
    reject,
    waiting,
    wallet_id,
)
from tests.house.disputes import complain, conclude, told
from tests.house.refunds import paid

FUNDS = 500_00
# As the settings have it: ADJUSTMENT_TWO_ADMINS_ABOVE.
ALONE = 100_00
FIND = f"query ($id: ID!) {{ adjustment(id: $id) {{ {ADJUSTMENT_FIELDS} }} node(id: $id) {{ id }} }}"
PAGE = """
query ($status: [AdjustmentStatus!], $filter: OperationFilter, $first: Int, $after: String) {
  adjustments(status: $status, filter: $filter, first: $first, after: $after) {
    edges { node { id } } pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture
async def ada(house: House) -> Person:
    """A customer with 500 dollars."""
    return await house.funded(await house.customer("ada"), usd=FUNDS)


@pytest.fixture
async def hers(ada: Person) -> str:
    """Her wallet's id."""
    return await wallet_id(ada)


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


@pytest.fixture
async def fritz(house: House) -> Person:
    return await house.admin("fritz")


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


def history(adjustment: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Each state, by whom it was reached, and why."""
    changes = adjustment["history"]
    assert {change["actor"] for change in changes} == {"admin"}
    return [(change["status"], change["by"]["id"], change["reason"]) for change in changes]


async def written(house: House) -> list[Any]:
    """What a refusal must leave as it is."""
    names = ("adjustments", "entries", "statement_lines", "audit_records")
    wallets = house.collection("wallets").find({"seq": {"$gt": 0}}).sort("_id", 1)
    return [*[await house.count(name) for name in names], await wallets.to_list()]


async def fault(person: Person, query: str, **command: Any) -> str | None:
    """The code of the top-level error, and no data beside it."""
    answer = await person.ask(query, {"input": command})
    assert not any((answer.data or {}).values())
    return answer.code


async def entry_of(house: House, adjustment: dict[str, Any]) -> dict[str, Any]:
    """The only entry that is booked under it."""
    [entry] = await house.collection("entries").find({"operation": adjustment["id"]}).to_list()
    assert entry["ref"] == f"adjustment:{adjustment['id']}:posted"
    return dict(entry)


# ------------------------------------------------------------------ by one


@pytest.mark.parametrize("amount", [ALONE, -ALONE])
async def test_what_is_small_is_posted_at_once(
    house: House, ada: Person, hers: str, edith: Person, amount: int
) -> None:
    payload = await adjust(edith, hers, amount, reason="  charged twice ")
    adjustment = payload["adjustment"]
    assert (payload["userErrors"], adjustment["status"], adjustment["state"]) == ([], "POSTED", "POSTED")
    assert (adjustment["walletId"], adjustment["owner"]["id"]) == (hers, ada.id)
    assert adjustment["amount"] == {"amount": amount, "currency": "USD"}
    assert (adjustment["reason"], adjustment["kind"]) == ("charged twice", "CORRECTION")
    assert (adjustment["askedBy"]["id"], adjustment["decidedBy"]) == (edith.id, None)
    assert (adjustment["waitingFor"], adjustment["preview"]) == (None, None)
    assert history(adjustment) == [("POSTED", edith.id, "charged twice")]
    assert await ada.available() == FUNDS + amount
    accounts = ["platform:adjustments", f"wallet:{hers}:available"]
    source, destination = accounts if amount > 0 else accounts[::-1]
    entry = await entry_of(house, adjustment)
    assert entry["postings"] == [{"source": source, "destination": destination, "amount": ALONE}]
    assert await house.ledger_is_sound()


async def test_its_owner_sees_what_was_done_and_why_and_not_by_whom(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    mine = (await adjust(edith, hers, 5_00, reason="our mistake"))["adjustment"]
    asked = await waiting(edith, hers, ALONE + 1)
    seen = (await ada.data(FIND, {"id": mine["id"]}))["adjustment"]
    assert (seen["status"], seen["reason"], seen["amount"]["amount"]) == ("POSTED", "our mistake", 5_00)
    assert (seen["askedBy"], seen["decidedBy"], seen["history"][0]["by"]) == (None, None, None)
    statement = "{ wallet { transactions(first: 1) { edges { node { kind operation { id } } } } } }"
    [edge] = (await ada.data(statement))["wallet"]["transactions"]["edges"]
    assert edge["node"] == {"kind": "ADJUSTMENT", "operation": {"id": mine["id"]}}
    # Until it is posted it is no business of hers, and nobody else's ever.
    nothing = {"adjustment": None, "node": None}
    assert await ada.data(FIND, {"id": asked["id"]}) == nothing
    eve = await house.customer("eve")
    assert await eve.data(FIND, {"id": mine["id"]}) == nothing
    await confirm(fritz, asked)
    seen = (await ada.data(FIND, {"id": asked["id"]}))["adjustment"]
    assert [change["by"] for change in seen["history"]] == [None, None]


# ------------------------------------------------------------------ by two


async def test_a_cent_more_waits_for_another_administrator(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    adjustment = await waiting(edith, hers, -ALONE - 1, reason="paid to the wrong Ada")
    assert adjustment["waitingFor"] == {"code": "CONFIRMATION"}
    assert adjustment["preview"] == {
        "needsConfirmation": True,
        "available": {"amount": FUNDS - ALONE - 1},
    }
    assert await ada.available() == FUNDS
    assert await house.count("entries", operation=adjustment["id"]) == 0

    confirmed = (await confirm(fritz, adjustment, reason="I called her"))["adjustment"]
    assert history(confirmed) == [
        ("AWAITING_CONFIRMATION", edith.id, "paid to the wrong Ada"),
        ("POSTED", fritz.id, "I called her"),
    ]
    assert (confirmed["askedBy"]["id"], confirmed["decidedBy"]["id"]) == (edith.id, fritz.id)
    assert (confirmed["waitingFor"], confirmed["preview"]) == (None, None)
    assert await ada.available() == FUNDS - ALONE - 1

    # Again, by whoever may, is no change.
    before = await written(house)
    gustav = await house.admin("gustav")
    for admin in (fritz, gustav):
        assert (await confirm(admin, adjustment, reason="me too"))["adjustment"] == confirmed
    assert codes(await reject(gustav, adjustment)) == [("INVALID_STATE", ["id"])]
    assert await written(house) == before
    assert await house.ledger_is_sound()


async def test_what_is_rejected_was_never_posted(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    one, another = await waiting(edith, hers, ALONE + 1), await waiting(edith, hers, ALONE + 2)
    rejected = (await reject(fritz, one, "not hers"))["adjustment"]
    assert history(rejected)[1:] == [("REJECTED", fritz.id, "not hers")]
    # Whoever asked for it may think better of it.
    own = (await reject(edith, another, "my mistake"))["adjustment"]
    assert (own["status"], own["decidedBy"]["id"]) == ("REJECTED", edith.id)
    before = await written(house)
    assert (await reject(edith, one, "me too"))["adjustment"] == rejected
    assert codes(await confirm(fritz, another)) == [("INVALID_STATE", ["id"])]
    assert codes(await reject(edith, another, " ")) == [("INVALID_INPUT", ["reason"])]
    assert await written(house) == before
    assert await ada.available() == FUNDS
    # What was rejected does not count.
    assert (await adjust(edith, hers, ALONE))["adjustment"]["status"] == "POSTED"
    assert await house.ledger_is_sound()


async def test_what_is_cut_in_pieces_is_still_as_large(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    """One administrator's of one wallet within 24 hours, up and down added."""

    async def asks(admin: Person, wallet: str, amount: int) -> str:
        return str((await adjust(admin, wallet, amount))["adjustment"]["status"])

    assert await asks(edith, hers, 60_00) == "POSTED"
    assert await asks(edith, hers, -40_00) == "POSTED"
    assert await asks(edith, hers, 1) == "AWAITING_CONFIRMATION"
    # Another's are counted by themselves, and another wallet's.
    assert await asks(fritz, hers, ALONE) == "POSTED"
    assert await asks(edith, await wallet_id(await house.customer("eve")), ALONE) == "POSTED"
    house.clock.advance(hours=23, minutes=59)
    await edith.refresh()
    assert await asks(edith, hers, 1) == "AWAITING_CONFIRMATION"
    house.clock.advance(hours=24)
    await edith.refresh()
    assert await asks(edith, hers, ALONE) == "POSTED"


async def test_nobody_adjusts_their_own_or_confirms_what_they_asked_for(
    house: House, hers: str, ada: Person, edith: Person, fritz: Person
) -> None:
    """Nor does a customer who is an administrator besides."""
    await given_roles(house, ada, Role.CUSTOMER, Role.ADMIN)
    asked = await waiting(edith, hers, ALONE + 1)
    before = await written(house)
    command = {"walletId": hers, "amount": 1, "reason": "mine", "idempotencyKey": "1"}
    assert await fault(ada, ADJUST, **command) == "FORBIDDEN"
    assert await fault(ada, ADJUST, **command, previewOnly=True) == "FORBIDDEN"
    assert await fault(ada, CONFIRM, id=asked["id"]) == "FORBIDDEN"
    assert await fault(ada, REJECT, id=asked["id"], reason="mine") == "FORBIDDEN"
    assert await fault(edith, CONFIRM, id=asked["id"]) == "FORBIDDEN"
    assert await written(house) == before
    await confirm(fritz, asked)
    assert await fault(edith, CONFIRM, id=asked["id"]) == "FORBIDDEN"


# ------------------------------------------------------------------ what the wallet has by then


async def test_never_below_zero_and_looked_at_again_when_it_is_confirmed(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    refused = await adjust(edith, hers, -FUNDS - 1)
    assert codes(refused) == [("INSUFFICIENT_FUNDS", ["amount"])]
    assert refused["userErrors"][0]["__typename"] == "InsufficientFundsError"
    asked = await waiting(edith, hers, -FUNDS)
    grace = await house.contractor("grace")
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    shown = (await edith.data(FIND, {"id": asked["id"]}))["adjustment"]
    assert (shown["waitingFor"], shown["preview"]) == ({"code": "INSUFFICIENT_FUNDS"}, None)
    before = await written(house)
    assert codes(await confirm(fritz, asked)) == [("INSUFFICIENT_FUNDS", ["id"])]
    assert await written(house) == before
    await ada.cancel_escrow(escrow)
    assert (await confirm(fritz, asked))["adjustment"]["status"] == "POSTED"
    assert await ada.available() == 0
    assert await house.ledger_is_sound()


async def test_a_freeze_stops_no_administrator(house: House, ada: Person, hers: str, edith: Person) -> None:
    freeze = 'mutation ($id: ID!) { freezeWallet(input: {walletId: $id, reason: "x"}) { wallet { id } } }'
    await edith.data(freeze, {"id": hers})
    payload = await adjust(edith, hers, -10_00)
    assert [one["cause"] for one in payload["preview"]["freezes"]] == ["ADMIN"]
    assert await ada.available() == FUNDS - 10_00


# ------------------------------------------------------------------ written off


async def test_a_debt_is_written_off_as_a_loss_up_to_what_is_owed(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    await in_debt(house, ada, FUNDS + 80_00)

    async def writes_off(amount: int, **more: Any) -> dict[str, Any]:
        return await adjust(edith, hers, amount, kind="WRITE_OFF", **more)

    for amount in (80_01, -1, -80_00):
        assert codes(await writes_off(amount)) == [("INVALID_INPUT", ["amount"])]
    part = await writes_off(30_00)
    assert part["preview"]["available"] == {"amount": -50_00}
    assert [one["cause"] for one in part["preview"]["freezes"]] == ["DEBT"]
    rest = await writes_off(50_00, previewOnly=True)
    assert (rest["adjustment"], rest["preview"]["freezes"]) == (None, [])
    rest = await writes_off(50_00)
    entry = await entry_of(house, rest["adjustment"])
    assert entry["postings"] == [
        {"source": "platform:losses", "destination": f"wallet:{hers}:available", "amount": 50_00}
    ]
    assert await ada.available() == 0
    assert (await ada.data("{ wallet { frozen } }"))["wallet"] == {"frozen": False}
    assert codes(await writes_off(1)) == [("INVALID_INPUT", ["amount"])]
    assert await house.ledger_is_sound()


async def test_while_a_dispute_is_open_only_the_dispute_is_written_off(
    house: House, ada: Person, edith: Person
) -> None:
    """Or what the bank gives back would be the owner's a second time."""
    grace = await house.contractor()
    deposit = await paid(house, ada, 50_00)
    await ada.hires(grace, usd=await ada.available() * 100 // 105)
    dispute = await told(house, await complain(house, deposit))
    owed = -await ada.available()
    assert owed > 0
    refused = await adjust(edith, dispute["wallet"], owed, kind="WRITE_OFF")
    assert codes(refused) == [("INVALID_INPUT", ["kind"])]
    assert await ada.available() == -owed
    await conclude(house, dispute, "lost")
    assert codes(await adjust(edith, dispute["wallet"], owed, kind="WRITE_OFF")) == []


async def test_what_was_paid_meanwhile_is_not_written_off(
    house: House, ada: Person, hers: str, edith: Person, fritz: Person
) -> None:
    await in_debt(house, ada, FUNDS + 200_00)
    asked = await waiting(edith, hers, 200_00, kind="WRITE_OFF")
    await house.funded(ada, usd=1)
    shown = (await edith.data(FIND, {"id": asked["id"]}))["adjustment"]
    assert (shown["waitingFor"], shown["preview"]) == ({"code": "NOT_POSSIBLE"}, None)
    assert codes(await confirm(fritz, asked)) == [("INVALID_STATE", ["id"])]
    assert (await reject(fritz, asked))["adjustment"]["status"] == "REJECTED"
    assert await ada.available() == -199_99


async def test_what_waited_for_a_debt_to_be_paid_is_sent(house: House, edith: Person) -> None:
    grace = await house.funded(await house.onboarded(), usd=100_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=50_00)
        wallet = await in_debt(house, grace, 60_00)
        due = await withdrawals.claim_next(house.runtime)
        assert due is not None
        await withdrawals.look_again(house.runtime, due)
        assert (await grace.withdrawal(withdrawal["id"]))["waitingFor"]["code"] == "WALLET_FROZEN"
        assert (await adjust(edith, wallet, 10_00))["preview"]["freezes"] == []
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")


# ------------------------------------------------------------------ shown before it is written


@pytest.mark.parametrize(
    ("amount", "debt", "more"),
    [
        (25_00, 0, {}),
        (-25_00, 0, {}),
        (-FUNDS, 0, {}),
        (150_00, 0, {}),
        (30_00, FUNDS + 40_00, {}),
        (40_00, FUNDS + 40_00, {"kind": "WRITE_OFF"}),
    ],
)
async def test_what_is_previewed_is_exactly_what_is_written(
    *,
    house: House,
    ada: Person,
    hers: str,
    edith: Person,
    fritz: Person,
    amount: int,
    debt: int,
    more: dict[str, Any],
) -> None:
    if debt:
        await in_debt(house, ada, debt)
    before = await written(house)
    key = str(ULID())
    shown = await adjust(edith, hers, amount, key=key, previewOnly=True, **more)
    assert (shown["userErrors"], shown["adjustment"], shown["idempotency"]) == ([], None, None)
    assert await written(house) == before
    preview = shown["preview"]

    payload = await adjust(edith, hers, amount, key=key, **more)
    adjustment = payload["adjustment"]
    assert payload["preview"] == preview
    assert payload["idempotency"]["replayed"] is False
    assert preview["needsConfirmation"] is (adjustment["status"] == "AWAITING_CONFIRMATION")
    if preview["needsConfirmation"]:
        adjustment = (await confirm(fritz, adjustment))["adjustment"]
    entry = await entry_of(house, adjustment)
    assert preview["entries"] == [
        {
            "kind": entry["kind"],
            "postings": [
                {**posting, "amount": {"amount": posting["amount"], "currency": entry["currency"]}}
                for posting in entry["postings"]
            ],
        }
    ]
    wallet = (
        await ada.data("{ wallet { available { amount } held { amount } freezes { cause reason at } } }")
    )["wallet"]
    assert {name: preview[name] for name in wallet} == wallet
    # Once it stands there is nothing to preview any more.
    again = await adjust(edith, hers, amount, key=key, previewOnly=True, **more)
    assert (again["preview"], again["adjustment"]["id"]) == (None, adjustment["id"])


# ------------------------------------------------------------------ bad input


async def test_what_cannot_be_meant_is_refused_and_nothing_is_written(
    house: House, hers: str, edith: Person
) -> None:
    before = await written(house)
    for reason in ("", "  ", "x" * 501):
        assert codes(await adjust(edith, hers, 1, reason=reason)) == [("INVALID_INPUT", ["reason"])]
    assert codes(await adjust(edith, hers, 0)) == [("INVALID_INPUT", ["amount"])]
    assert codes(await adjust(edith, hers, 2**53 - 1)) == [("INVALID_INPUT", ["amount"])]
    assert codes(await adjust(edith, hers, 1, key="x" * 256)) == [("INVALID_INPUT", ["idempotencyKey"])]
    for nothing in ("", "wal_nobody", edith.id):
        assert codes(await adjust(edith, nothing, 1)) == [("NOT_FOUND", ["walletId"])]
        assert codes(await confirm(edith, {"id": nothing})) == [("NOT_FOUND", ["id"])]
        assert codes(await reject(edith, {"id": nothing})) == [("NOT_FOUND", ["id"])]
    for amount in (1.5, 1.0, "1", 2**53):
        command = {"walletId": hers, "amount": amount, "reason": "x", "idempotencyKey": "1"}
        answer = await edith.ask(ADJUST, {"input": command})
        assert (answer.data, answer.code) == (None, "BAD_REQUEST")
    assert await written(house) == before


async def test_a_key_makes_one_adjustment(house: House, ada: Person, hers: str, edith: Person) -> None:
    first = await adjust(edith, hers, 10_00, key="once")
    again = await adjust(edith, hers, 10_00, key="once")
    assert again["adjustment"] == first["adjustment"]
    assert again["idempotency"] == {**first["idempotency"], "replayed": True}
    changes: tuple[dict[str, Any], ...] = (
        {"amount": 10_01},
        {"reason": "another"},
        {"kind": "WRITE_OFF"},
        {"walletId": await wallet_id(await house.customer("eve"))},
    )
    for change in changes:
        command = {"walletId": hers, "amount": 10_00, "reason": "A test.", "idempotencyKey": "once"}
        payload = (await edith.data(ADJUST, {"input": command | change}))["payload"]
        [error] = payload["userErrors"]
        assert (error["code"], error["conflictingFields"]) == ("IDEMPOTENCY_KEY_REUSED", list(change))
    # Posted at once, there is nothing to decide about it.
    fritz = await house.admin("fritz")
    assert codes(await confirm(fritz, first["adjustment"])) == [("INVALID_STATE", ["id"])]
    assert codes(await reject(fritz, first["adjustment"])) == [("INVALID_STATE", ["id"])]
    # Each administrator's keys are their own.
    assert (await adjust(fritz, hers, 10_00, key="once"))["idempotency"]["replayed"] is False
    assert await ada.available() == FUNDS + 20_00


async def test_copies_that_race_make_one(house: House, ada: Person, hers: str, edith: Person) -> None:
    for amount in (10_00, -FUNDS - 10_00):
        payloads = await asyncio.gather(*(adjust(edith, hers, amount, key=f"{amount}") for _ in range(5)))
        assert len({payload["adjustment"]["id"] for payload in payloads}) == 1
        assert [payload["idempotency"]["replayed"] for payload in payloads].count(False) == 1
    assert await ada.available() == FUNDS + 10_00
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ for whom


async def test_adjustments_are_found_by_state_person_and_amount(
    house: House, ada: Person, hers: str, edith: Person
) -> None:
    eve = await house.customer("eve")
    await house.collection("adjustments").delete_many({})  # those that funded her
    made = [
        (await adjust(edith, wallet, amount))["adjustment"]["id"]
        for wallet, amount in ((hers, 10_00), (await wallet_id(eve), 20_00), (hers, -5_00), (hers, 400_00))
    ]

    async def found(**variables: Any) -> list[str]:
        answer = await edith.data(PAGE, variables)
        return [edge["node"]["id"] for edge in answer["adjustments"]["edges"]]

    assert await found() == made[::-1]
    assert await found(status=["AWAITING_CONFIRMATION"]) == [made[3]]
    assert await found(filter={"personId": ada.id}, status=["POSTED"]) == [made[2], made[0]]
    assert await found(filter={"amountMax": -1}) == [made[2]]
    first = (await edith.data(PAGE, {"first": 3}))["adjustments"]["pageInfo"]
    assert first["hasNextPage"] is True
    assert await found(after=first["endCursor"]) == [made[0]]


async def test_adjusting_is_for_admins(house: House, ada: Person, hers: str, edith: Person) -> None:
    asked = await waiting(edith, hers, ALONE + 1)
    before = await written(house)
    command = {"walletId": hers, "amount": 1, "reason": "mine", "idempotencyKey": "1"}
    for person, code in (
        (ada, "FORBIDDEN"),
        (await house.contractor("grace"), "FORBIDDEN"),
        (house.nobody(), "UNAUTHENTICATED"),
    ):
        assert await fault(person, ADJUST, **command) == code
        assert await fault(person, ADJUST, **command, previewOnly=True) == code
        assert await fault(person, CONFIRM, id=asked["id"]) == code
        assert await fault(person, REJECT, id=asked["id"], reason="mine") == code
        assert (await person.ask(PAGE)).code == code
    assert await written(house) == before
