"""Every request that was seen."""

from __future__ import annotations

from .faults import Fault
from .sandbox import Sandbox
from .wire import Answer, Call


class RequestLog:
    """One row a request, written as it comes and completed as it goes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def arrived(self, call: Call, request_id: str, account: str) -> int:
        """The entry's number."""
        return self._sandbox.store.write(
            "INSERT INTO requests (id, at, method, path, account, idempotency_key, parameters) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            request_id,
            self._sandbox.clock.now(),
            call.method,
            call.path,
            account,
            call.headers.get("idempotency-key"),
            call.parameters.decode(errors="replace"),
        )

    def answered(self, entry: int, answer: Answer, fault: Fault | None) -> None:
        """The status is null when nothing was done."""
        self._sandbox.store.write(
            "UPDATE requests SET status = ?, fault = ?, replayed = ? WHERE n = ?",
            answer.status or None,
            fault.fault.value if fault else None,
            answer.replayed,
            entry,
        )
