"""What is asked of escrows is served by their indexes, and costs what it shows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain import escrow
from domain.escrow import Escrow, EscrowMove, EscrowSide, EscrowStatus, MoveKind, Terms
from domain.escrow.states import SETTLED
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.kernel.pages import PageRequest
from domain.kernel.search import Search
from tests.contracts.test_indexes import ADA, PAGE, Profiler, explained, pages, profile
from tests.house import House

S = EscrowStatus
ESCROWS = 1_000
JOBS = 47
MIDDLE = "esc_000500"
OWNER, CONTRACTOR = "IXSCAN { owner: 1, _id: -1 }", "IXSCAN { contractor: 1, _id: -1 }"
OWNER_STATUS = "IXSCAN { owner: 1, status: 1, _id: -1 }"
CONTRACTOR_STATUS = "IXSCAN { contractor: 1, status: 1, _id: -1 }"


def status_of(number: int) -> EscrowStatus:
    """Two in three are released, the rest is spread over the other statuses."""
    others = [status for status in S if status is not S.RELEASED]
    return S.RELEASED if number % 3 else others[number // 3 % len(others)]


def old_escrow(house: House, number: int) -> Escrow:
    """Of a fifth Ada is the customer, of another the contractor; what waits was due, or will be."""
    now, status = house.runtime.now(), status_of(number // 5)
    other = f"usr_{number % 7}"
    parties = [(ADA, other), (other, ADA)][number % 5] if number % 5 < 2 else ("usr_eve", other)
    due = now + timedelta(minutes=number - ESCROWS // 2)
    return Escrow(
        id=f"esc_{number:06}",
        owner=parties[0],
        wallet=f"wal_{parties[0]}",
        contractor=parties[1],
        job_id=f"job {number % JOBS}",
        price=100_00,
        currency="USD",
        platform_fee_bps=500,
        service_fee_bps=2_000,
        locked=0 if status in SETTLED else Terms(100_00, 500, 2_000).charged,
        status=status,
        history=[StatusChange(status=status, at=now, actor=Actor.OWNER)],
        idempotency=key(number, "createEscrow"),
        expires_at=due,
        next_attempt_at=due if status is S.FUNDED else None,
        created_at=now,
        updated_at=now,
    )


def old_move(house: House, number: int) -> EscrowMove:
    return EscrowMove(
        id=f"esm_{number:06}",
        escrow=f"esc_{number // 3:06}",
        number=number % 3 + 1,
        kind=MoveKind.RELEASE,
        amount=1_00,
        net=80,
        fees=25,
        currency="USD",
        actor=Actor.OWNER,
        by=ADA,
        idempotency=key(number, "releaseEscrow"),
        created_at=house.runtime.now(),
    )


def key(number: int, mutation: str) -> IdempotencyKey:
    return IdempotencyKey.of(actor=ADA, mutation=mutation, key=f"key-{number}", fields={})


@pytest.fixture
async def busy_house(house: House) -> AsyncIterator[House]:
    await house.stop_worker()
    await Escrow.insert_many([old_escrow(house, number) for number in range(ESCROWS)])
    await EscrowMove.insert_many([old_move(house, number) for number in range(ESCROWS)])
    yield house
    await house.sweep_clean()
    await house.start_worker()


@pytest.mark.parametrize(
    ("side", "plan", "plan_by_status"),
    [
        (EscrowSide.CUSTOMER, {OWNER}, {OWNER_STATUS}),
        (EscrowSide.CONTRACTOR, {CONTRACTOR}, {CONTRACTOR_STATUS}),
        # Two scans in the same order, merged.
        (None, {OWNER, CONTRACTOR}, {OWNER_STATUS, CONTRACTOR_STATUS}),
    ],
)
async def test_a_page_of_somebodys_escrows_is_read_in_order(
    busy_house: House, side: EscrowSide | None, plan: set[str], plan_by_status: set[str]
) -> None:
    for request in pages(MIDDLE):
        query = await explained(busy_house, escrow.page_of(ADA, request, side=side), "escrows")
        assert query.plan == plan
        assert query.documents <= PAGE + len(plan)
        for statuses in ([S.RELEASED], [S.FUNDED, S.ACCEPTED, S.DISPUTED, S.SPLIT]):
            read = escrow.page_of(ADA, request, side=side, statuses=statuses)
            query = await explained(busy_house, read, "escrows")
            assert query.plan == plan_by_status
            assert query.documents <= PAGE + len(plan) * len(statuses)


async def test_a_jobs_escrows_are_found_by_the_job(busy_house: House) -> None:
    for side in (None, *EscrowSide):
        async with profile(busy_house) as profiler:
            page = await escrow.page_of(ADA, PageRequest(), side=side, job_id="job 7")
            (query,) = await profiler.queries("escrows")
        assert 0 < len(page.items) <= ESCROWS / JOBS + 1
        assert query.plan == {"IXSCAN { job_id: 1, _id: -1 }"}
        assert query.documents <= ESCROWS / JOBS + 1
        assert not query.sorted_in_memory


async def test_everybodys_escrows_in_some_statuses_are_read_in_order(busy_house: House) -> None:
    for statuses in ([S.DISPUTED], [S.DISPUTED, S.FUNDED, S.RELEASED]):
        request = PageRequest(size=PAGE)
        read = escrow.page(request, Search(), statuses=statuses)
        query = await explained(busy_house, read, "escrows")
        assert query.plan == {"IXSCAN { status: 1, _id: -1 }"}
        assert query.documents <= PAGE + len(statuses)


async def test_what_is_locked_is_summed_over_ones_own_open_escrows(busy_house: House) -> None:
    async with profile(busy_house) as profiler:
        locked = await escrow.locked(ADA, "USD")
        (query,) = await profiler.queries("escrows")
    assert locked > 0
    assert query.plan == {OWNER_STATUS}
    assert query.documents == locked // 105_00


async def plan_of(profiler: Profiler, collection: str) -> tuple[set[str], int, bool]:
    query: Any
    (query,) = await profiler.queries(collection)
    return query.plan, query.documents, query.sorted_in_memory


async def test_moves_are_read_in_order_and_one_is_found_by_its_escrow(busy_house: House) -> None:
    wanted = ["esc_000001", "esc_000099", "esc_000150"]
    async with profile(busy_house) as profiler:
        moves = await escrow.moves_of(wanted)
        assert await plan_of(profiler, "escrow_moves") == ({"IXSCAN { escrow: 1, number: 1 }"}, 9, False)
    assert {name: [move.number for move in found] for name, found in moves.items()} == {
        name: [1, 2, 3] for name in wanted
    }
    async with profile(busy_house) as profiler:
        claimed = await escrow.claim_next(busy_house.runtime)
        assert await plan_of(profiler, "escrows") == ({"IXSCAN { next_attempt_at: 1 }"}, 1, False)
    assert claimed is not None
    assert claimed.status is S.FUNDED


async def test_no_query_of_an_escrows_whole_life_scans_a_collection(house: House) -> None:
    ada = await house.funded(await house.customer(), usd=500_00)
    grace, edith = await house.contractor(), await house.admin()
    async with profile(house) as profiler:
        job = await ada.hires(grace, usd=100_00)
        await ada.release_escrow(job, 10_00)
        await grace.refund_escrow(job, 10_00)
        await ada.dispute_escrow(job)
        await edith.resolve_escrow(job, 50_00)
        await ada.cancel_escrow(await ada.hires(grace, usd=10_00, accepted=False))
        await ada.in_escrow()
        await ada.data(
            "{ me { escrows(first: 10) { edges { node { id moves { id } waitingFor { code } } } } } }"
        )
        await house.sweep()
        queries = await profiler.queries()
    assert {"escrows", "escrow_moves", "wallets", "entries", "users"} <= {
        query.row["ns"].partition(".")[2] for query in queries
    }
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []
