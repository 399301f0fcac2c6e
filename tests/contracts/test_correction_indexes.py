"""What is asked of adjustments and of the audit log is served by their indexes, and costs what it shows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain import adjustments, auditlog
from domain.adjustments import Adjustment, AdjustmentKind, AdjustmentStatus, reads
from domain.auditlog import Act, AuditRecord, AuditSearch
from domain.kernel.database import Tx
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from tests.contracts.test_indexes import ADA, PAGE, explained, pages, profile
from tests.house import House
from tests.house.adjustments import adjust, confirm, reject, waiting, wallet_id

S = AdjustmentStatus
ROWS = 300
EDITH, FRITZ = "usr_edith", "usr_fritz"


@pytest.fixture
async def busy_house(house: House) -> AsyncIterator[House]:
    """A record and an adjustment a minute; every third is about Ada, every other is Edith's."""
    await house.stop_worker()
    await AuditRecord.insert_many([old_record(house, number) for number in range(ROWS)])
    await Adjustment.insert_many([old_adjustment(house, number) for number in range(ROWS)])
    yield house
    await house.sweep_clean()
    await house.start_worker()


def old_record(house: House, number: int) -> AuditRecord:
    at = house.runtime.now() - timedelta(minutes=ROWS - number)
    return AuditRecord(
        id=new_id("aud", at=at),
        act=Act.WALLET_UNFROZEN if number % 5 else Act.WALLET_FROZEN,
        by=EDITH if number % 2 else FRITZ,
        subject=f"wal_{number % 7}",
        person=f"usr_{number % 3}" if number % 3 else ADA,
        reason="a test.",
        request_id=None,
        at=at,
    )


def old_adjustment(house: House, number: int) -> Adjustment:
    at = house.runtime.now() - timedelta(minutes=ROWS - number)
    admin, status = EDITH if number % 2 else FRITZ, S.POSTED if number % 5 else S.REJECTED
    return Adjustment(
        id=new_id("adj", at=at),
        owner=ADA if number % 3 == 0 else "usr_eve",
        wallet="wal_ada" if number % 3 == 0 else "wal_eve",
        amount=-1_00 if number % 7 else 1_00,
        currency="USD",
        kind=AdjustmentKind.CORRECTION,
        reason="a test.",
        asked_by=admin,
        status=status,
        history=[StatusChange(status=status, at=at, actor=Actor.ADMIN, by=admin)],
        idempotency=IdempotencyKey.of(actor=admin, mutation="adjustWallet", key=f"{number}", fields={}),
        created_at=at,
        updated_at=at,
    )


@pytest.mark.parametrize(
    ("search", "plan"),
    [
        ({}, "IXSCAN { _id: 1 }"),
        ({"by": EDITH}, "IXSCAN { by: 1, _id: -1 }"),
        ({"subject": "wal_3"}, "IXSCAN { subject: 1, _id: -1 }"),
        ({"person": ADA}, "IXSCAN { person: 1, _id: -1 }"),
        ({"acts": [Act.WALLET_FROZEN]}, "IXSCAN { act: 1, _id: -1 }"),
        ({"acts": [Act.WALLET_FROZEN, Act.ESCROW_RELEASED]}, "IXSCAN { act: 1, _id: -1 }"),
    ],
)
async def test_a_page_of_the_audit_log_is_read_in_order(
    busy_house: House, search: dict[str, Any], plan: str
) -> None:
    middle = new_id("aud", at=busy_house.runtime.now() - timedelta(minutes=ROWS // 2))
    for request in pages(middle):
        query = await explained(busy_house, auditlog.page(request, AuditSearch(**search)), "audit_records")
        assert query.plan == {plan}
        assert query.documents <= PAGE + 1


async def test_a_time_of_the_audit_log_begins_where_the_time_does(busy_house: House) -> None:
    after = busy_house.runtime.now() - timedelta(minutes=ROWS // 2)
    search = AuditSearch(by=EDITH, created_after=after, created_before=after + timedelta(minutes=30))
    async with profile(busy_house) as profiler:
        page = await auditlog.page(PageRequest(size=100), search)
        (query,) = await profiler.queries("audit_records")
    assert len(page.items) == 15
    assert (query.plan, query.documents) == ({"IXSCAN { by: 1, _id: -1 }"}, 15)


@pytest.mark.parametrize(
    ("search", "statuses", "plan"),
    [
        (Search(), None, "IXSCAN { _id: 1 }"),
        (Search(), [S.REJECTED], "IXSCAN { status: 1, _id: -1 }"),
        (Search(), [S.REJECTED, S.AWAITING_CONFIRMATION], "IXSCAN { status: 1, _id: -1 }"),
        (Search(person=ADA), None, "IXSCAN { owner: 1, _id: -1 }"),
    ],
)
async def test_a_page_of_adjustments_is_read_in_order(
    busy_house: House, search: Search, statuses: list[AdjustmentStatus] | None, plan: str
) -> None:
    middle = new_id("adj", at=busy_house.runtime.now() - timedelta(minutes=ROWS // 2))
    for request in pages(middle):
        query = await explained(
            busy_house, adjustments.page(request, search, statuses=statuses), "adjustments"
        )
        assert query.plan == {plan}
        assert query.documents <= PAGE + 2


async def test_what_one_admin_asked_for_of_late_is_summed_over_that_alone(busy_house: House) -> None:
    since = busy_house.runtime.now() - timedelta(minutes=60)

    async def asked_for(tx: Tx) -> int:
        return await reads.asked_for_since(tx, EDITH, "wal_ada", since)

    async with profile(busy_house) as profiler:
        total = await busy_house.runtime.database.transact(asked_for)
        (query,) = await profiler.queries("adjustments")
    # Ten of the sixty are Edith's of Ada's wallet, two of them rejected; up and down are added.
    assert total == 8_00
    assert query.plan == {"IXSCAN { wallet: 1, asked_by: 1, _id: -1 }"}
    assert query.documents == 10


async def test_no_query_of_an_adjustments_whole_life_scans_a_collection(house: House) -> None:
    edith, fritz = await house.admin("edith"), await house.admin("fritz")
    wallet = await wallet_id(await house.funded(await house.customer(), usd=1_00))
    async with profile(house) as profiler:
        await adjust(edith, wallet, 1_00, previewOnly=True)
        await adjust(edith, wallet, 1_00)
        await confirm(fritz, await waiting(edith, wallet, 200_00))
        await reject(fritz, await waiting(edith, wallet, 200_00))
        await edith.data("{ adjustments { edges { node { id waitingFor { code } } } } }")
        await edith.data("{ auditLog { edges { node { id operation { id } } } } }")
        queries = await profiler.queries()
    collections = {query.row["ns"].partition(".")[2] for query in queries}
    assert {"adjustments", "audit_records", "wallets", "entries"} <= collections
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []
