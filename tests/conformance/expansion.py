"""What `expand` asks for: whether Stripe could expand it, and whether the answer holds just that."""

from __future__ import annotations

from collections.abc import Iterable

from tests.conformance.dialect import Finding, Inspection, alternatives
from tests.conformance.spec import Schema

DEPTH_MAX = 4
"""Stripe refuses deeper expansions; `data.` counts as a level."""


def check_asked(asked: Iterable[str], schema: Schema) -> list[Finding]:
    """Paths that Stripe would refuse with "This property cannot be expanded"."""
    return [
        Finding(("expand",), f"asks for {path!r}, which cannot be expanded")
        for path in asked
        if path.count(".") >= DEPTH_MAX or not _leads_somewhere(path.split("."), schema)
    ]


def check_given(inspection: Inspection, asked: Iterable[str]) -> list[Finding]:
    """Objects that nobody asked for in place of an id, and ids in place of objects that were asked for."""
    wanted = _with_parents(asked)
    findings = []
    for path, expanded in inspection.expandable.items():
        name = ".".join(step for step in path if isinstance(step, str))
        if expanded and name not in wanted:
            findings.append(Finding(path, "is expanded, and nobody asked for that"))
        if not expanded and name in wanted:
            findings.append(Finding(path, "is an id, though its expansion was asked for"))
    return findings


def _with_parents(paths: Iterable[str]) -> set[str]:
    """`latest_charge.balance_transaction` expands `latest_charge` as well."""
    steps = [path.split(".") for path in paths]
    return {".".join(path[:length]) for path in steps for length in range(1, len(path) + 1)}


def _leads_somewhere(steps: list[str], schema: Schema) -> bool:
    if not steps:
        return True
    name, *rest = steps
    return any(
        _leads_somewhere(rest, below)
        for holder in alternatives(schema)
        if name in holder.get("x-expandableFields", ())
        for below in _below(holder["properties"][name])
    )


def _below(schema: Schema) -> list[Schema]:
    """What a step leads to: the choices themselves, or the items of a list."""
    return [choice["items"] if choice.get("type") == "array" else choice for choice in alternatives(schema)]
