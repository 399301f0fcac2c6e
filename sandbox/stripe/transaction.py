"""What an endpoint is handed: the power to read and change what the sandbox holds, within one transaction."""

from dataclasses import dataclass, field, replace
from typing import Self

from . import events
from .clock import Clock
from .errors import missing
from .ids import Ids
from .objects import Object, changed
from .store import Store, Stored


@dataclass(frozen=True)
class Cause:
    """The request behind a change. Changes that time brings have none."""

    request_id: str
    idempotency_key: str | None


@dataclass
class Tx:
    """Everything within is one change: it is kept as a whole or not at all."""

    store: Store
    clock: Clock
    ids: Ids
    base_url: str = ""
    account: str = ""
    cause: Cause | None = None
    publishable: bool = False
    now: int = field(init=False)

    def __post_init__(self) -> None:
        self.now = int(self.clock.now())

    def on(self, account: str) -> Self:
        """The same change, among the things of a connected account ("": the platform), which events tell of.

        Whether there is such an account is for `accounts.connected` to say.
        """
        there = replace(self, account=account)
        there.now = self.now  # one change, one moment
        return there

    def unasked(self) -> Self:
        """The same change, as something that nobody asked for: events do not tell of the request."""
        there = replace(self, cause=None)
        there.now = self.now
        return there

    def fetch(self, object_type: str, object_id: str, *, param: str, status: int = 404) -> Stored:
        """Raises StripeError resource_missing; also for what was deleted, save for customers' tombstones."""
        stored = self.store.find(object_type, object_id, account=self.account)
        if stored is None or (stored.deleted and object_type != "customer"):
            raise missing(object_type, object_id, param=param, status=status)
        return stored

    def referenced(self, object_type: str, object_id: str, *, param: str) -> Stored:
        """What a parameter names. Raises StripeError (400) when there is no such thing, or no more."""
        stored = self.fetch(object_type, object_id, param=param, status=400)
        if stored.deleted:
            raise missing(object_type, object_id, param=param, status=400)
        return stored

    def insert(self, body: Object, private: Object | None = None) -> Object:
        self.store.insert(body, private or {}, account=self.account, created=body.get("created", self.now))
        return body

    def save(self, body: Object) -> Object:
        self.store.update(body)
        return body

    def emit(self, event_type: str, body: Object, *, previous: Object | None = None) -> None:
        """Record an event about `body` as it is now, and plan its deliveries."""
        events.record(self, event_type, body, previous=previous)

    def save_and_emit(self, event_type: str, before: Object, after: Object) -> Object:
        """For `*.updated`. An update that changes nothing is no event."""
        previous = changed(before, after)
        self.save(after)
        if previous:
            self.emit(event_type, after, previous=previous)
        return after

    def schedule(self, kind: str, subject: str, *, due: float) -> None:
        """Have a timer of `timers.py` played at that virtual time."""
        self.store.write(
            "INSERT INTO timers (due, kind, account, subject) VALUES (?, ?, ?, ?)",
            due,
            kind,
            self.account,
            subject,
        )

    def schedule_once(self, kind: str, subject: str, *, due: float) -> None:
        """... unless there is such a timer already, whenever it is due."""
        if not self.store.row("SELECT id FROM timers WHERE kind = ? AND subject = ?", kind, subject):
            self.schedule(kind, subject, due=due)
