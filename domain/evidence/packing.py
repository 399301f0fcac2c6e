"""A pack: the facts, sealed and signed; a page to read them on; and the file that checks them. One zip."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.evidence import verify
from domain.evidence.gathering import gather
from domain.evidence.page import render
from domain.evidence.telling import Facts
from domain.kernel.signer import Signer
from domain.runtime import Runtime

# Of every file in it: the same facts make the same bytes. The earliest that a zip can tell.
_DATED: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o600 << 16


@dataclass(frozen=True)
class Pack:
    """`facts`: with their seal. `files`: as they stand in the zip."""

    facts: Facts
    files: Mapping[str, bytes]

    @property
    def counted(self) -> str:
        """What is in it, in a few words."""
        sections = {name: len(found) for name, found in self.facts.items() if isinstance(found, list)}
        return ", ".join(f"{count} {name}" for name, count in sections.items() if count)

    def zipped(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in self.files.items():
                member = zipfile.ZipInfo(name, _DATED)
                member.external_attr = _MODE
                archive.writestr(member, content, zipfile.ZIP_DEFLATED, 6)
        return buffer.getvalue()


async def collect(runtime: Runtime, job_id: str) -> Pack:
    """Everything about one job. Raises NotFound."""
    return pack(await gather(runtime, job_id), runtime.signer)


def pack(facts: Facts, signer: Signer) -> Pack:
    """Pure. Signed where `signer` can; else whoever reads it is told that nobody vouches for it."""
    records = verify.sealed(facts)
    evidence = {**facts, "seal": {"records": records} | _signature(signer, "records", records)}
    verifier = Path(verify.__file__).read_bytes()
    files = {
        verify.EVIDENCE: verify.written(evidence),
        "index.html": render(evidence, verifier_digest=_sha256(verifier)).encode(),
        "verify.py": verifier,
    }
    digests = {name: _sha256(content) for name, content in files.items()}
    files[verify.MANIFEST] = verify.written({"files": digests} | _signature(signer, "files", digests))
    return Pack(evidence, files)


def _signature(signer: Signer, name: str, digests: Mapping[str, str]) -> dict[str, str | None]:
    if not signer.can_sign:
        return {"key": None, "signature": None}
    purpose = {"records": verify.SEAL_PURPOSE, "files": verify.MANIFEST_PURPOSE}[name]
    message = verify.signed(purpose, {name: digests, "key": signer.key})
    return {"key": signer.key, "signature": signer.sign(message).text}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
