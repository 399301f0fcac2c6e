"""Every job's evidence: whatever happened, the pack that tells of it is sound by its own verifier."""

from domain import evidence
from domain.evidence import verify
from tests.house import House


async def unsound(house: House) -> list[str]:
    found = []
    for job_id in await house.collection("escrows").distinct("job_id"):
        pack = await evidence.collect(house.runtime, job_id)
        report = verify.check(dict(pack.files), [house.runtime.signer.key])
        found += [f"evidence of {job_id}: {name}: {sentence}" for name, sentence in report.wrong]
    return found
