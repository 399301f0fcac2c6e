"""What a trail asks of MongoDB: by index, many at once, and no more the more a wallet has seen."""

import time
from datetime import timedelta
from typing import Any

from domain import escrow, trail
from domain.ledger import Kind
from domain.trail import Subject
from domain.trail.books import CHUNK
from tests.contracts.test_indexes import Query, profile
from tests.house import House, Person
from tests.house.refunds import paid

LINES = 20_000
MS_MAX = 100


async def traced(house: House, of: str) -> list[Query]:
    """What was asked for the trail of `of`, by its id."""
    async with house.worker_away(), profile(house) as profiler:
        found = await trail.trail_of(house.runtime, await trail.subjects_of(of), person=None)
        assert found is not None
        assert found.is_complete
        return [query for query in await profiler.queries() if query.row["op"] == "query"]


async def aged(house: House, person: Person) -> None:
    """The person's wallet has seen much, in and out again, long ago."""
    wallet = await house.collection("wallets").find_one({"owner": person.id})
    assert wallet["available"] == 0
    start = house.runtime.now() - timedelta(days=30)
    lines = [
        {
            "_id": {"w": wallet["_id"], "s": seq},
            "ref": f"old:{wallet['_id']}:{seq}",
            "kind": Kind.DEPOSIT.value if seq % 2 else Kind.ESCROW_FUNDED.value,
            "operation": "old",
            "created_at": start + timedelta(seconds=seq),
            "available_delta": 1 if seq % 2 else -1,
            "held_delta": 0,
            "available_after": seq % 2,
            "held_after": 0,
            "entry_hash": "",
            "hash": "",
        }
        for seq in range(1, LINES + 1)
    ]
    await house.collection("statement_lines").insert_many(lines)
    last = {"seq": LINES, "last_at": lines[-1]["created_at"]}
    await house.collection("wallets").update_one({"_id": wallet["_id"]}, {"$set": last})


def asked(queries: list[Query], collection: str) -> list[Query]:
    return [query for query in queries if query.row["ns"].endswith(f".{collection}")]


async def test_a_trail_asks_by_index_for_much_at_once(house: House) -> None:
    ada, grace = await house.customer(), await house.contractor()
    await ada.available()
    await aged(house, ada)
    deposit = await paid(house, ada, 500_00)
    jobs: list[dict[str, Any]] = []
    counts = []
    for more in (2, 10):
        for _ in range(more):
            job = await ada.hires(grace, usd=10_00)
            await ada.release_escrow(job, 4_00)
            await ada.release_escrow(job)
            jobs.append(job)
        await house.quiet()
        queries = await traced(house, deposit["id"])
        assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []
        counts.append(len(queries))
        # Where its line is, is told by times, a few of many thousand; then only what came after is read.
        lines = asked(queries, "statement_lines")
        assert sum(query.documents for query in lines) < 200 + 2 * CHUNK + 10 * len(jobs)
    # Of twelve jobs in no more questions than of two.
    assert counts[0] == counts[1] < 20
    for stripe_id in ("pi_1", "cs_1", "tr_1", "po_1", "re_1", "ch_1"):
        async with profile(house) as profiler:
            assert await trail.subjects_of(stripe_id) == []
            found = await profiler.queries()
            assert found
            assert [query.row["command"] for query in found if "COLLSCAN" in query.plan] == []

    [move, *_] = (await escrow.moves_of([jobs[0]["id"]]))[jobs[0]["id"]]
    assert await trail.subjects_of(move.id) == [Subject(jobs[0]["id"], move.ref)]
    times_ms = []
    for _ in range(5):
        began = time.perf_counter()
        await trail.trail_of(house.runtime, [Subject(deposit["id"])], person=ada.id)
        times_ms.append((time.perf_counter() - began) * 1000)
    assert min(times_ms) < MS_MAX
