"""Events: one per change, rendered when it happens, and the deliveries they call for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .config import API_VERSION
from .errors import bad_parameter, missing
from .lists import page
from .objects import Object, shaped
from .spec import specification
from .webhook_endpoints import label, listening

if TYPE_CHECKING:
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

TYPES_MAX = 20
KEPT_S = 30 * 86_400
"""Virtual seconds for which an event can be read. `/_sandbox/state` forgets nothing."""
_SHUFFLE_WINDOW_S = 0.3


@dataclass(frozen=True)
class Knobs:
    """How events are delivered from now on.

    Shares from 0 to 1: of the deliveries, `drop` is never tried; of the tries, a retry being another one,
    `corrupt` is signed with a wrong secret and `old_timestamps` with a stamp that is too old.
    """

    duplicate: int = 0
    shuffle: bool = False
    drop: float = 0.0
    delay_ms: float = 0.0
    corrupt: float = 0.0
    old_timestamps: float = 0.0


def knobs(tx: Tx) -> Knobs:
    return Knobs(**tx.store.setting("knobs", {}))


def record(tx: Tx, event_type: str, body: Object, *, previous: Object | None) -> None:
    """Store the event and plan its deliveries. A type that Stripe does not have is a bug: ValueError."""
    if event_type not in specification().event_types:
        raise ValueError(f"Stripe has no event {event_type}")
    event_id = tx.ids.new("evt_", of=f"{tx.account}{body.get('id', '')}:{event_type}")
    endpoints = [] if _gone(tx) else listening(tx, event_type)
    data: Object = {"object": body}
    if previous is not None:
        data["previous_attributes"] = previous
    event = shaped(
        "event",
        {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": tx.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": len(endpoints),
            "request": {
                "id": tx.cause.request_id if tx.cause else None,
                "idempotency_key": tx.cause.idempotency_key if tx.cause else None,
            },
            "type": event_type,
            **({"account": tx.account} if tx.account else {}),
        },
    )
    tx.insert(event)
    for endpoint in endpoints:
        _plan(tx, event_id, endpoint)


def _gone(tx: Tx) -> bool:
    """Whether the account is connected no more: nobody is told of it."""
    stored = tx.store.find("account", tx.account, account="") if tx.account else None
    return stored is not None and stored.deleted


def _plan(tx: Tx, event_id: str, endpoint: Stored) -> None:
    how = knobs(tx)
    for copy in range(1 + how.duplicate):
        wait_s = how.delay_ms / 1000
        if how.shuffle or copy:  # copies come in random order
            chance = tx.ids.chance(f"shuffle:{event_id}:{label(endpoint)}:{copy}")
            wait_s += chance.random() * _SHUFFLE_WINDOW_S
        _deliver(tx, event_id, endpoint, due=tx.clock.now() + wait_s, extra=copy)


def _deliver(tx: Tx, event_id: str, endpoint: Stored, *, due: float, extra: int) -> None:
    """Plan one delivery: the first (0), or an extra one, tried once and not counted in `pending_webhooks`."""
    tx.store.write(
        "INSERT INTO deliveries (event, endpoint, extra, due) VALUES (?, ?, ?, ?)",
        event_id,
        endpoint.body["id"],
        extra,
        due,
    )


def redeliver(tx: Tx, event: Object) -> int:
    """Send an event again to every endpoint that listens. The number of deliveries planned.

    As at Stripe, this calls off no retry of the first delivery, and counts for nothing in `delivery_success`.
    """
    there = tx.on(event.get("account", ""))
    endpoints = listening(there, event["type"])
    for endpoint in endpoints:
        row = there.store.row(
            "SELECT max(extra) AS extra FROM deliveries WHERE event = ? AND endpoint = ?",
            event["id"],
            endpoint.body["id"],
        )
        last = row["extra"] if row else None
        _deliver(there, event["id"], endpoint, due=there.clock.now(), extra=(last or 0) + 1)
    return len(endpoints)


def find(tx: Tx, event_id: str) -> Object | None:
    """An event of whatever account."""
    found = tx.store.all_objects("event", where="id = ?", values=(event_id,))
    return found[0].body if found else None


def last_delivered(tx: Tx) -> Object | None:
    """The newest event that an endpoint was to be told of, of whatever account."""
    row = tx.store.row("SELECT event FROM deliveries WHERE NOT extra ORDER BY id DESC LIMIT 1")
    return find(tx, row["event"]) if row else None


def retrieve(tx: Tx, _params: Params, *, id: str) -> Object:
    body = tx.fetch("event", id, param="id").body
    if body["created"] < tx.now - KEPT_S:
        raise missing("event", id, param="id")
    return body


def list_all(tx: Tx, params: Params) -> Object:
    """`type` may end in `*`; `types` names at most 20."""
    where: list[str] = ["created >= ?"]
    values: list[Any] = [tx.now - KEPT_S]
    types = params.get("types")
    if types is not None:
        if "type" in params:
            raise bad_parameter("You may only specify one of these parameters: type, types.", param="types")
        if len(types) > TYPES_MAX:
            raise bad_parameter(f"You may pass at most {TYPES_MAX} types.", param="types")
        where.append(f"json_extract(body, '$.type') IN ({', '.join('?' * len(types))})")
        values += types
    if "type" in params:
        where.append("json_extract(body, '$.type') GLOB ?")
        values.append(params["type"])
    if "delivery_success" in params:
        where.append("(json_extract(body, '$.pending_webhooks') = 0) = ?")
        values.append(params["delivery_success"])
    return page(tx, "event", params, url="/v1/events", where=where, values=values)
