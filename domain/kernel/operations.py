"""Operations: business objects with a state machine, a version, a history and an idempotency key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

import orjson
from beanie import Document
from pydantic import BaseModel, ConfigDict
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.kernel.database import Tx, parse
from domain.kernel.errors import IdempotencyKeyReused, InvalidInput
from domain.kernel.machine import Machine

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

IDEMPOTENCY_INDEX = IndexModel(
    [(f"idempotency.{name}", ASCENDING) for name in ("actor", "mutation", "key")],
    unique=True,
    name="idempotency",
)

StatusT = TypeVar("StatusT", bound=StrEnum)


class Actor(StrEnum):
    """Who or what caused a change of state, as an operation's history tells it."""

    OWNER = "owner"
    OTHER_PARTY = "other party"
    ADMIN = "admin"
    WEBHOOK = "webhook"
    WORKER = "worker"


class StatusChange(BaseModel):
    """`by`: which administrator it was, for ADMIN."""

    status: str
    at: datetime
    actor: Actor
    reason: str | None = None
    by: str | None = None


class Failure(BaseModel):
    """Why the last attempt did not work: a stable code, and a sentence for a person."""

    code: str
    message: str
    decline_code: str | None = None


@dataclass(frozen=True)
class Blocker:
    """Why an operation, or a wish, does not move: a stable code, a sentence to show, and when it ends."""

    code: str
    message: str
    until: datetime | None = None


class IdempotencyKey(BaseModel):
    """A caller's key, unique on (actor, mutation, key), beside a fingerprint of each field of the input."""

    actor: str
    mutation: str
    key: str
    fingerprint: dict[str, str]

    @classmethod
    def of(cls, *, actor: str, mutation: str, key: str, fields: Mapping[str, Any]) -> "IdempotencyKey":
        """Raises InvalidInput for a key that is empty or longer than 255 characters."""
        if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX:
            raise InvalidInput("An idempotency key has 1 to 255 characters.", path=["idempotencyKey"])
        return cls(actor=actor, mutation=mutation, key=key, fingerprint=_fingerprint(fields))

    @property
    def member(self) -> str:
        """What a budget counts once, however often it comes."""
        return f"{self.mutation}:{self.key}"

    def filter(self) -> dict[str, str]:
        """What finds the operation that this key made."""
        return {
            "idempotency.actor": self.actor,
            "idempotency.mutation": self.mutation,
            "idempotency.key": self.key,
        }

    def check_replay_of(self, first: "IdempotencyKey") -> None:
        """Raises IdempotencyKeyReused, naming the fields, when `first` came with other input."""
        names = sorted(first.fingerprint.keys() | self.fingerprint.keys())
        conflicting = [name for name in names if first.fingerprint.get(name) != self.fingerprint.get(name)]
        if conflicting:
            raise IdempotencyKeyReused(conflicting)


class StaleOperation(Exception):
    """Somebody else moved the operation since it was read: a bug inside a transaction, a race outside."""


class Keyed(Document):
    """What a caller's key made, and is found by."""

    id: str  # type: ignore[assignment]  # prefixed ids in place of ObjectIds
    idempotency: IdempotencyKey


class Operation(Keyed, Generic[StatusT]):
    """What every operation stores. `version` counts each change; `next_attempt_at` is when work is due."""

    model_config = ConfigDict(validate_assignment=False)
    machine: ClassVar[Machine[Any]]

    owner: str
    status: StatusT
    version: int = 1
    history: list[StatusChange]
    failure: Failure | None = None
    next_attempt_at: datetime | None = None
    attempts_made: int = 0
    lease_until: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_settled(self) -> bool:
        return self.status in self.machine.settled


KeyedT = TypeVar("KeyedT", bound=Keyed)
OperationT = TypeVar("OperationT", bound=Operation[Any])


async def first_with(model: type[KeyedT], key: IdempotencyKey, tx: Tx | None = None) -> KeyedT | None:
    """What this key made, as `tx` sees it where one is given. Raises IdempotencyKeyReused."""
    session = None if tx is None else tx.session
    row = await model.get_pymongo_collection().find_one(key.filter(), session=session)
    if row is None:
        return None
    made = parse(model, row)
    key.check_replay_of(made.idempotency)
    return made


async def move(
    tx: Tx,
    operation: OperationT,
    status: StrEnum,
    *,
    actor: Actor,
    by: str | None = None,
    reason: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> OperationT:
    """Write `operation` in `status` (the same again: only `changes`), with its history and next version.

    `by`: an administrator's id, for the history. Settled, nothing is due, unless `changes` say otherwise.
    Raises IllegalMove for an arrow that is not drawn, StaleOperation when `operation` is not the newest.
    """
    fields: dict[str, Any] = {**(changes or {}), "updated_at": tx.now}
    update: dict[str, Any] = {"$inc": {"version": 1}}
    if status != operation.status:
        operation.machine.check(operation.status, status)
        change = StatusChange(status=status.value, at=tx.now, actor=actor, reason=reason, by=by)
        fields["status"] = status.value
        update["$push"] = {"history": change.model_dump()}
        if status in operation.machine.settled:
            fields = {"next_attempt_at": None, "lease_until": None, **fields}
    update["$set"] = fields
    model = type(operation)
    row = await model.get_pymongo_collection().find_one_and_update(
        {"_id": operation.id, "version": operation.version},
        update,
        return_document=ReturnDocument.AFTER,
        session=tx.session,
    )
    if row is None:
        raise StaleOperation(operation.id)
    return parse(model, row)


def _fingerprint(fields: Mapping[str, Any]) -> dict[str, str]:
    """A digest a field, so that a conflict can be named while the input itself is not kept."""
    return {
        name: hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        for name, value in fields.items()
        if value is not None
    }
