"""Everything the sandbox holds, in one SQLite file with one writer.

The file survives the process (WAL, no fsync per write): a kill loses nothing that was answered.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .objects import Object

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation, which lists follow
    id TEXT NOT NULL UNIQUE,
    object TEXT NOT NULL,                   -- Stripe's object tag
    account TEXT NOT NULL,                  -- '' is the platform
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL,                     -- JSON, as the API shows it
    private TEXT NOT NULL                   -- JSON, what the API does not show
);
CREATE INDEX IF NOT EXISTS objects_listed ON objects (object, account, seq);
CREATE INDEX IF NOT EXISTS objects_of_customer ON objects (object, json_extract(body, '$.customer'), seq);
CREATE TABLE IF NOT EXISTS answers (        -- of POST requests, by idempotency key
    account TEXT NOT NULL, key TEXT NOT NULL,
    method TEXT NOT NULL, path TEXT NOT NULL, parameters TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL, request_id TEXT NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE TABLE IF NOT EXISTS deliveries (     -- one event to one endpoint
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL, endpoint TEXT NOT NULL,
    extra INTEGER NOT NULL DEFAULT 0,       -- the n-th duplicate or resend: not counted, not tried again
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL,                               -- virtual time of the next try; null: nothing more to do
    outcome TEXT                            -- the last try's: a status, or what went wrong
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_of_event ON deliveries (event, endpoint);
CREATE TABLE IF NOT EXISTS timers (         -- what the virtual clock has yet to play
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due REAL NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, subject TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_due ON timers (due, id);
CREATE TABLE IF NOT EXISTS requests (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, account TEXT NOT NULL,
    idempotency_key TEXT,
    parameters TEXT NOT NULL,               -- as they came, form-encoded
    status INTEGER, fault TEXT, replayed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_EMPTIED_BY_RESET = ("answers", "deliveries", "timers", "requests")


@dataclass(frozen=True)
class Stored:
    """An object with what the API does not show of it."""

    body: Object
    private: Object
    deleted: bool


class Store:
    """SQL in one place. No method here decides anything."""

    def __init__(self, database: Path | None) -> None:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            str(database) if database is not None else ":memory:",
            isolation_level=None,
            check_same_thread=False,  # built in one thread, used by the event loop's alone
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Not to be nested: see `savepoint`."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo one part of a transaction and keep the rest."""
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO part")
            self._connection.execute("RELEASE part")
            raise
        self._connection.execute("RELEASE part")

    def write(self, statement: str, *values: Any) -> int:
        """The number of the row inserted last."""
        return self._connection.execute(statement, values).lastrowid or 0

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
        return found

    # Objects

    def find(self, object_type: str, object_id: str, *, account: str) -> Stored | None:
        found = self.row(
            "SELECT body, private, deleted FROM objects WHERE id = ? AND object = ? AND account = ?",
            object_id,
            object_type,
            account,
        )
        return _stored(found) if found else None

    def find_any(self, object_id: str) -> Object | None:
        """An object of whatever type and account."""
        found = self.row("SELECT body FROM objects WHERE id = ?", object_id)
        return dict(orjson.loads(found["body"])) if found else None

    def insert(self, body: Object, private: Object, *, account: str, created: int) -> None:
        self.write(
            "INSERT INTO objects (id, object, account, created, body, private) VALUES (?, ?, ?, ?, ?, ?)",
            body["id"],
            body["object"],
            account,
            created,
            _json(body),
            _json(private),
        )

    def update(self, body: Object) -> None:
        self.write("UPDATE objects SET body = ? WHERE id = ?", _json(body), body["id"])

    def update_private(self, object_id: str, private: Object) -> None:
        self.write("UPDATE objects SET private = ? WHERE id = ?", _json(private), object_id)

    def mark_deleted(self, body: Object) -> None:
        """The object answers with its tombstone from now on, and is listed no more."""
        self.write("UPDATE objects SET deleted = 1, body = ? WHERE id = ?", _json(body), body["id"])

    def all_objects(self, object_type: str, *, where: str = "1", values: Sequence[Any] = ()) -> list[Stored]:
        """Those not deleted, oldest first."""
        return [
            _stored(row)
            for row in self.rows(
                "SELECT body, private, deleted FROM objects "  # noqa: S608 (fixed texts only)
                f"WHERE object = ? AND deleted = 0 AND {where} ORDER BY seq",
                object_type,
                *values,
            )
        ]

    # Small things

    def count(self, name: str) -> int:
        """The next number of a series that starts at 1."""
        row = self.row(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 "
            "RETURNING value",
            name,
        )
        assert row is not None  # noqa: S101 (RETURNING always returns)
        return int(row["value"])

    def setting(self, name: str, default: Any = None) -> Any:
        row = self.row("SELECT value FROM settings WHERE name = ?", name)
        return orjson.loads(row["value"]) if row else default

    def set_setting(self, name: str, value: Any) -> None:
        self.write("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, _json(value))

    def empty(self) -> None:
        """Forget everything but webhook endpoints and settings."""
        self.write("DELETE FROM objects WHERE object <> 'webhook_endpoint'")
        for table in _EMPTIED_BY_RESET:
            self.write(f"DELETE FROM {table}")  # noqa: S608 (names from the tuple above)
        # The series of what stays go on: starting them again would give out the same ids twice.
        self.write("DELETE FROM counters WHERE name NOT IN ('we_', 'whsec_')")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _stored(row: sqlite3.Row) -> Stored:
    return Stored(orjson.loads(row["body"]), orjson.loads(row["private"]), bool(row["deleted"]))
