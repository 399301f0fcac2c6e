"""Lists: newest first, by cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from .errors import bad_parameter, missing
from .objects import Object

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

LIMIT_DEFAULT = 10
LIMIT_MAX = 100
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def page(
    tx: Tx,
    object_type: str,
    params: Params,
    *,
    url: str,
    equal: tuple[str, ...] = (),
    where: list[str] | None = None,
    values: list[Any] | None = None,
) -> Object:
    """One page. `equal` names the parameters that are compared with the field of the same name."""
    conditions = ["object = ?", "account = ?", "deleted = 0", *(where or ())]
    bound: list[Any] = [object_type, tx.account, *(values or ())]
    for name in equal:
        if name in params:
            conditions.append(f"json_extract(body, '$.{name}') = ?")
            bound.append(params[name])
    for operator, moment in _created(params.get("created")):
        conditions.append(f"created {operator} ?")
        bound.append(moment)
    backwards = "ending_before" in params
    for name, operator in (("starting_after", "<"), ("ending_before", ">")):
        if name in params:
            conditions.append(f"seq {operator} ?")
            bound.append(_position(tx, object_type, params[name], param=name))
    limit = _limit(params)
    rows = tx.store.rows(
        f"SELECT body FROM objects WHERE {' AND '.join(conditions)} "  # noqa: S608 (fixed texts only)
        f"ORDER BY seq {'ASC' if backwards else 'DESC'} LIMIT ?",
        *bound,
        limit + 1,
    )
    data = [orjson.loads(row["body"]) for row in rows[:limit]]
    return {
        "object": "list",
        "data": data[::-1] if backwards else data,
        "has_more": len(rows) > limit,
        "url": url,
    }


def _created(value: dict[str, int] | int | None) -> list[tuple[str, int]]:
    if value is None:
        return []
    if isinstance(value, int):
        return [("=", value)]
    return [(_COMPARISONS[name], moment) for name, moment in value.items()]


def _position(tx: Tx, object_type: str, object_id: str, *, param: str) -> int:
    row = tx.store.row(
        "SELECT seq FROM objects WHERE id = ? AND object = ? AND account = ?",
        object_id,
        object_type,
        tx.account,
    )
    if row is None:
        raise missing(object_type, object_id, param=param, status=400)
    return int(row["seq"])


def _limit(params: Params) -> int:
    limit: int = params.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {LIMIT_MAX}"
        raise bad_parameter(
            f"This value must be {bound} (it currently is '{limit}').",
            param="limit",
            code="parameter_invalid_integer",
        )
    return limit
