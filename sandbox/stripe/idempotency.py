"""Idempotency keys: the first answer of an executed POST, given again for 24 virtual hours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import NotExecuted, bad_parameter
from .faults import key_in_use
from .store import Store

KEY_LENGTH_MAX = 255
KEPT_S = 86_400


@dataclass(frozen=True)
class Keyed:
    """A request under its key. `parameters` is their canonical text."""

    account: str
    key: str
    method: str
    path: str
    parameters: str


@dataclass(frozen=True)
class KeptAnswer:
    status: int
    body: bytes
    request_id: str


@dataclass
class KeysInUse:
    """The keys of requests that are running now."""

    running: set[tuple[str, str]] = field(default_factory=set)

    @contextmanager
    def claim(self, request: Keyed | None) -> Iterator[None]:
        """Raises NotExecuted (409) while another request runs under the key."""
        if request is None:
            yield
            return
        claimed = (request.account, request.key)
        if claimed in self.running:
            raise key_in_use(request.key)
        self.running.add(claimed)
        try:
            yield
        finally:
            self.running.discard(claimed)


def check_key(key: str) -> str:
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise bad_parameter(
            f"Idempotency keys can be 1 to {KEY_LENGTH_MAX} characters long; yours has {len(key)}."
        )
    return key


def kept(store: Store, request: Keyed, *, now: float) -> KeptAnswer | None:
    """Raises NotExecuted (400, idempotency_error) when the key was used for something else."""
    store.write(
        "DELETE FROM answers WHERE account = ? AND key = ? AND created <= ?",
        request.account,
        request.key,
        now - KEPT_S,
    )
    row = store.row("SELECT * FROM answers WHERE account = ? AND key = ?", request.account, request.key)
    if row is None:
        return None
    if (row["method"], row["path"]) != (request.method, request.path):
        raise _reused(
            f"Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{row['path']}' vs '{request.path}'). Try using a key other than '{request.key}' if you "
            "meant to "
            "execute a different request."
        )
    if row["parameters"] != request.parameters:
        raise _reused(
            "Keys for idempotent requests can only be used with the same parameters they were first used "
            "with. "
            f"Try using a key other than '{request.key}' if you meant to execute a different request."
        )
    return KeptAnswer(row["status"], row["body"], row["request_id"])


def keep(store: Store, request: Keyed, answer: KeptAnswer, *, now: float) -> None:
    store.write(
        "INSERT INTO answers (account, key, method, path, parameters, status, body, request_id, created) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        request.account,
        request.key,
        request.method,
        request.path,
        request.parameters,
        answer.status,
        answer.body,
        answer.request_id,
        now,
    )


def _reused(message: str) -> NotExecuted:
    return NotExecuted(400, message, type="idempotency_error")
