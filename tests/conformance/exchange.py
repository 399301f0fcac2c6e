"""What was heard on the wire, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.conformance.dialect import Finding


@dataclass(frozen=True, slots=True)
class Violation:
    """`where` is the message (an operation, an event), `path` the place in it, `message` what is wrong."""

    where: str
    path: str
    message: str
    tolerable: bool = False
    """An enumeration that Stripe itself may widen: worth a warning, no more."""

    def __str__(self) -> str:
        return f"{self.where}: {self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer, as bytes. Header names are lower-case; `answer` is None if it was cut off."""

    method: str
    path: str
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes | None = None


def located(where: str, part: str, findings: Iterable[Finding]) -> list[Violation]:
    """Findings as violations, with their paths below the part of the message that they were found in."""
    return [
        Violation(where, spell((part, *finding.path)), finding.message, tolerable=finding.tolerable)
        for finding in findings
    ]


def spell(path: Iterable[str | int]) -> str:
    """`('answer', 'data', 0, 'id')` as `answer.data[0].id`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
