"""`/_sandbox/state`: everything that a sandbox holds, oldest first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from . import forms
from .errors import NotExecuted
from .events import Knobs
from .sandbox import Sandbox

# Without the numbers that only order the rows: they go on over a reset, for what is under way knows them.
_TABLES = {
    "deliveries": "event, endpoint, extra, tries, due, outcome",
    "timers": "due, kind, account, subject",
    "requests": "id, at, method, path, account, idempotency_key, parameters, status, fault, replayed",
    "answers": "*",
}


def shown(sandbox: Sandbox) -> dict[str, Any]:
    objects: dict[str, list[Any]] = {}
    owners: dict[str, str] = {}
    for row in sandbox.store.rows("SELECT id, object, account, body FROM objects ORDER BY seq"):
        objects.setdefault(row["object"], []).append(orjson.loads(row["body"]))
        if row["account"]:
            owners[row["id"]] = row["account"]
    return {
        "now": sandbox.clock.now(),
        "clock_offset_s": sandbox.clock.offset_s,
        "seed": sandbox.ids.seed,
        "webhooks": asdict(Knobs(**sandbox.store.setting("knobs", {}))),
        "faults": sandbox.faults.shown(),
        "objects": objects,
        "owners": owners,  # of what is a connected account's own, by its id
        **{table: _table(sandbox, table) for table in _TABLES},
    }


def _table(sandbox: Sandbox, table: str) -> list[dict[str, Any]]:
    statement = f"SELECT {_TABLES[table]} FROM {table} ORDER BY rowid"  # noqa: S608 (names from above)
    rows = [dict(row) for row in sandbox.store.rows(statement)]
    for row in rows:
        if "parameters" in row:
            row["parameters"] = _readable(row["parameters"])
        if "body" in row:
            row["body"] = orjson.loads(row["body"])
    return rows


def _readable(parameters: str) -> Any:
    """Of a request, its decoded form; of an answer, the same in JSON; what cannot be read, as it came."""
    try:
        return orjson.loads(parameters) if parameters.startswith("{") else forms.decode(parameters.encode())
    except NotExecuted:
        return parameters
