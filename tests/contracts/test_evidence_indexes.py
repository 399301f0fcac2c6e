"""What a job's evidence is gathered from is found by indexes: it costs what it shows, not what there is."""

from typing import Any

from domain import evidence
from tests.contracts.test_indexes import profile
from tests.features.test_evidence import JOB, tell
from tests.house import House

# Of others, and many more than the job has.
OTHERS = 400
NOISE: dict[str, dict[str, Any]] = {
    "escrows": {"job_id": "another job"},
    "escrow_moves": {"escrow": "esc_of_others"},
    "deposits": {"owner": "usr_of_others"},
    "refunds": {"deposit": "dep_of_others"},
    "withdrawals": {"owner": "usr_of_others"},
    "adjustments": {"owner": "usr_of_others"},
    "entries": {"operation": "op_of_others", "hash": "0" * 64},
    "movements": {"created_at": None},
    "freeze_changes": {"wallet": "wal_of_others"},
    "audit_records": {"subject": "dep_of_others"},
    "wallets": {"currency": "USD"},
    "users": {"roles": []},
}
# Among them, those that must differ from each other, by unique indexes.
UNIQUE = {
    "entries": ("ref",),
    "movements": ("entry",),
    "wallets": ("owner",),
    "users": ("email_hash",),
    "escrow_moves": ("number",),
}


def noise(name: str, fields: dict[str, Any], number: int) -> dict[str, Any]:
    told = {unique: number if unique == "number" else str(number) for unique in UNIQUE.get(name, ())}
    keyed = {"actor": "usr", "mutation": name, "key": str(number)}
    return {"_id": f"zzz_{number}", **fields, **told, "idempotency": keyed}


async def test_it_costs_what_it_shows(house: House) -> None:
    await tell(house)
    async with house.worker_away():
        for name, fields in NOISE.items():
            await house.collection(name).insert_many([noise(name, fields, n) for n in range(OTHERS)])
        async with profile(house) as profiler:
            await evidence.collect(house.runtime, JOB)
            queries = await profiler.queries()
        await house.sweep_clean()
    assert len(queries) > 20
    for query in queries:
        assert "COLLSCAN" not in query.plan, query.row["command"]
        assert query.documents <= query.row["nreturned"] + 5, (query.plan, query.row["command"])
