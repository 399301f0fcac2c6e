"""Whatever an administrator does is on record, once, with it or not at all; only admins read the record."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.kernel.clock import iso
from tests.features import test_freezes as freezes
from tests.features import test_review as review
from tests.house import House, Person, refunds
from tests.house.adjustments import adjust, confirm, reject, waiting, wallet_id
from tests.house.withdrawals import in_review, transfer_by_hand

LOG = """
query ($by: ID, $subject: ID, $person: ID, $act: [AuditAct!],
       $createdAfter: DateTime, $createdBefore: DateTime,
       $first: Int, $after: String, $last: Int, $before: String) {
  log: auditLog(by: $by, subject: $subject, person: $person, act: $act, createdAfter: $createdAfter,
                createdBefore: $createdBefore, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id act by { id displayName } subject person { id } reason requestId at
                          operation { __typename id } } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}
"""
Said = tuple[str, str, str | None]


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.funded(await house.customer("ada"), usd=500_00)


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def records(admin: Person, **search: Any) -> list[dict[str, Any]]:
    edges = (await admin.data(LOG, search))["log"]["edges"]
    return [edge["node"] for edge in edges]


async def said(admin: Person, by: Person, person: Person) -> list[Said]:
    """Act, subject and reason of what `by` did to what is `person`'s, oldest first."""
    found = await records(admin, by=by.id, person=person.id)
    return [(one["act"], one["subject"], one["reason"]) for one in reversed(found)]


# ------------------------------------------------------------------ each act, and no repeat of it


async def test_freezing_and_unfreezing(house: House, ada: Person, edith: Person) -> None:
    wallet, fritz = await wallet_id(ada), await house.admin("fritz")
    await freezes.freeze(edith, wallet, " a call ")
    for admin in (edith, fritz):
        await freezes.freeze(admin, wallet, "another")
    await freezes.unfreeze(edith, wallet, "all is well")
    await freezes.unfreeze(edith, wallet, "again")
    assert await said(fritz, edith, ada) == [
        ("WALLET_FROZEN", wallet, "a call"),
        ("WALLET_UNFROZEN", wallet, "all is well"),
    ]
    assert await said(fritz, fritz, ada) == []
    [_, frozen] = await records(edith, subject=wallet)
    assert frozen["by"] == {"id": edith.id, "displayName": "edith"}
    assert frozen["operation"] is None
    assert frozen["requestId"]


async def test_a_deposits_resolution(house: House, ada: Person, edith: Person) -> None:
    credited, refunded = await review.in_review(house, ada), await review.in_review(house, ada)
    for _ in range(2):
        await review.resolve(edith, credited, "CREDIT", "hers")
        await review.resolve(edith, refunded, "REFUND", "not hers")
        await review.resolve(edith, credited, "REFUND", "otherwise")
    assert await said(edith, edith, ada) == [
        ("DEPOSIT_RESOLVED", credited["id"], "hers"),
        ("DEPOSIT_RESOLVED", refunded["id"], "not hers"),
    ]
    [record] = await records(edith, subject=credited["id"])
    assert record["operation"] == {"__typename": "Deposit", "id": credited["id"]}


async def test_an_escrows_release_refund_and_resolution(house: House, ada: Person, edith: Person) -> None:
    grace = await house.contractor("grace")
    released, refunded, disputed = [await ada.hires(grace, usd=50_00) for _ in range(3)]
    # The parties' own are their history's alone.
    await ada.release_escrow(released, 10_00)
    await grace.refund_escrow(refunded, 10_00, reason="late")
    await ada.dispute_escrow(disputed)
    for _ in range(2):
        await edith.release_escrow(released, 10_00, key="1")
        await edith.refund_escrow(refunded, 10_00, key="2", reason="not done")
        await edith.resolve_escrow(disputed, 20_00, key="3", reason="half done")
    await edith.release_escrow(released, 100_00)  # more than there is
    assert await said(edith, edith, ada) == [
        ("ESCROW_RELEASED", released["id"], None),
        ("ESCROW_REFUNDED", refunded["id"], "not done"),
        ("ESCROW_RESOLVED", disputed["id"], "half done"),
    ]
    # To administrators the history names who it was.
    query = "query ($id: ID!) { escrow(id: $id) { history { status actor by { id } } } }"
    for person, by in ((edith, {"id": edith.id}), (ada, None)):
        told = (await person.data(query, {"id": disputed["id"]}))["escrow"]["history"]
        assert told[-1] == {"status": "SPLIT", "actor": "admin", "by": by}
        assert [change["by"] for change in told[:-1]] == [None] * (len(told) - 1)


async def test_a_withdrawals_approval_rejection_and_resolution(house: House, edith: Person) -> None:
    people = [await house.onboarded(name) for name in ("grace", "karl", "hopper")]
    grace, karl, hopper = [await house.funded(person, usd=5_000_00) for person in people]
    async with house.worker_away():
        sent, not_sent = await in_review(house, grace), await in_review(house, karl)
        transfer = await transfer_by_hand(house, grace, sent)
        await house.time_passes(hours=25)
        await asyncio.gather(edith.refresh(), hopper.refresh())
        for _ in range(2):
            await edith.resolve_withdrawal(sent, "SENT", transferId=transfer, reason="seen")
            await edith.resolve_withdrawal(not_sent, "NOT_SENT", reason="never made")
        yes, no = await hopper.withdraws(usd=2_000_00), await hopper.withdraws(usd=2_000_00)
        for _ in range(2):
            await edith.approve_withdrawal(yes)
            await edith.reject_withdrawal(no, reason="who is she?")
            await edith.approve_withdrawal(no)
    found = await records(edith, by=edith.id)
    assert [(one["act"], one["subject"], one["reason"]) for one in reversed(found)] == [
        ("WITHDRAWAL_RESOLVED", sent["id"], "seen"),
        ("WITHDRAWAL_RESOLVED", not_sent["id"], "never made"),
        ("WITHDRAWAL_APPROVED", yes["id"], None),
        ("WITHDRAWAL_REJECTED", no["id"], "who is she?"),
    ]
    query = "query ($id: ID!) { withdrawal(id: $id) { history { status by { id } } } }"
    ends = {sent["id"]: "IN_TRANSIT", not_sent["id"]: "FAILED", yes["id"]: "PENDING", no["id"]: "REJECTED"}
    for withdrawal, status in ends.items():
        told = (await edith.data(query, {"id": withdrawal}))["withdrawal"]["history"]
        assert {"status": status, "by": {"id": edith.id}} in told


async def test_a_refunds_request_and_cancellation(house: House, ada: Person, edith: Person) -> None:
    deposit = await refunds.paid(house, ada, 25_00)
    async with house.worker_away():
        for _ in range(2):
            payload = await refunds.refund_deposit(edith, deposit, 5_00, key="1", reason="late")
            await refunds.ask_of_refund(edith, "cancelRefund", id=payload["refund"]["id"], reason="in time")
    refund = payload["refund"]["id"]
    assert await said(edith, edith, ada) == [
        ("REFUND_REQUESTED", refund, "late"),
        ("REFUND_CANCELED", refund, "in time"),
    ]
    query = "query ($id: ID!) { refund(id: $id) { history { status by { id } } } }"
    assert (await edith.data(query, {"id": refund}))["refund"]["history"] == [
        {"status": status, "by": {"id": edith.id}} for status in ("PENDING", "CANCELED")
    ]


async def test_adjustments(house: House, ada: Person, edith: Person) -> None:
    wallet, fritz = await wallet_id(ada), await house.admin("fritz")
    for _ in range(2):
        small = (await adjust(edith, wallet, 1_00, key="1", reason="a cent"))["adjustment"]
    await adjust(edith, wallet, 1_00, previewOnly=True)
    await adjust(edith, wallet, -900_00)
    yes = await waiting(edith, wallet, 100_00, reason="more")
    no = await waiting(edith, wallet, 100_00, reason="still more")
    for _ in range(2):
        await confirm(fritz, yes)
        await reject(fritz, no, "too much")
    assert await said(edith, edith, ada) == [
        ("ADJUSTMENT_POSTED", small["id"], "a cent"),
        ("ADJUSTMENT_ASKED_FOR", yes["id"], "more"),
        ("ADJUSTMENT_ASKED_FOR", no["id"], "still more"),
    ]
    assert await said(edith, fritz, ada) == [
        ("ADJUSTMENT_CONFIRMED", yes["id"], None),
        ("ADJUSTMENT_REJECTED", no["id"], "too much"),
    ]


# ------------------------------------------------------------------ found


async def test_the_log_is_found_by_whom_what_whose_and_when(house: House, ada: Person, edith: Person) -> None:
    eve, fritz = await house.customer("eve"), await house.admin("fritz")
    await house.collection("audit_records").delete_many({})  # of what funded her
    hers, others = await wallet_id(ada), await wallet_id(eve)
    await freezes.freeze(edith, hers)
    await freezes.freeze(fritz, others)
    await freezes.unfreeze(edith, hers)
    await adjust(edith, others, 1_00)
    every = await records(edith)
    ids = [record["id"] for record in every]
    assert [one["act"] for one in every] == [
        "ADJUSTMENT_POSTED",
        "WALLET_UNFROZEN",
        "WALLET_FROZEN",
        "WALLET_FROZEN",
    ]

    async def found(**search: Any) -> list[int]:
        return [ids.index(record["id"]) for record in await records(edith, **search)]

    assert await found(by=edith.id) == [0, 1, 3]
    assert await found(subject=hers) == [1, 3]
    assert await found(person=eve.id) == [0, 2]
    assert await found(act=["WALLET_FROZEN"]) == [2, 3]
    assert await found(act=["WALLET_FROZEN", "ADJUSTMENT_POSTED"], by=edith.id) == [0, 3]
    assert await found(person=eve.id, by=fritz.id, act=["WALLET_UNFROZEN"]) == []
    first, last = every[3]["at"], every[0]["at"]
    assert await found(createdAfter=first) == [0, 1, 2]
    assert await found(createdAfter=first, createdBefore=last, by=edith.id) == [1]
    before_all = iso(datetime.fromisoformat(first) - timedelta(milliseconds=1))
    assert await found(createdAfter=before_all) == [0, 1, 2, 3]
    assert await found(createdBefore=before_all) == []

    page = (await edith.data(LOG, {"first": 3}))["log"]
    assert page["pageInfo"]["hasNextPage"] is True
    await freezes.unfreeze(fritz, others)  # what comes in on top moves nothing
    assert await found(after=page["pageInfo"]["endCursor"]) == [3]
    assert await found(last=2) == [2, 3]


async def test_an_act_that_fails_leaves_no_record(house: House, ada: Person, edith: Person) -> None:
    wallet, count = await wallet_id(ada), await house.count("audit_records")
    async with house.mongo_failing("insert", "audit_records", times=1):
        assert (await edith.ask(freezes.CHANGE % "freezeWallet", _decision(wallet))).code is not None
    assert (await ada.data("{ wallet { frozen } }"))["wallet"]["frozen"] is False
    assert (await house.count("freeze_changes"), await house.count("audit_records")) == (0, count)


async def test_the_log_is_for_admins(house: House, ada: Person) -> None:
    for person in (ada, await house.contractor("grace")):
        answer = await person.ask(LOG)
        assert (answer.code, answer.data) == ("FORBIDDEN", None)
    assert (await house.nobody().ask(LOG)).code == "UNAUTHENTICATED"


def _decision(wallet: str) -> dict[str, Any]:
    return {"input": {"walletId": wallet, "reason": "a call."}}
