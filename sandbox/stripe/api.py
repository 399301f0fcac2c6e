"""`/v1`: one request from its bytes to its answer.

authenticated ─> routed ─> its key claimed ─> replayed, or its parameters checked ─> executed ─> kept ─> sent
Every arrow can refuse, and any call can be made to fail, whoever makes it (`faults.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from . import auth, faults, forms, idempotency, parameters
from .config import API_VERSION
from .errors import AttemptFailed, NotExecuted, StripeError
from .expand import expand
from .faults import Fault, FaultKind
from .idempotency import KeptAnswer, Keyed, KeysInUse
from .operations import Operation, route
from .parameters import Params
from .requests import RequestLog
from .sandbox import Sandbox
from .transaction import Cause, Tx
from .wire import Answer, Call, Transmission, read, render, transmit

_TRANSMISSIONS = {
    FaultKind.RESET_BEFORE_COMMIT: Transmission.RESET,
    FaultKind.RESET_AFTER_COMMIT: Transmission.RESET,
    FaultKind.TIMEOUT_BEFORE_COMMIT: Transmission.NEVER,
    FaultKind.TIMEOUT_AFTER_COMMIT: Transmission.NEVER,
    FaultKind.TRUNCATE_AFTER_COMMIT: Transmission.TRUNCATED,
}

log = structlog.get_logger(__name__)


@dataclass
class _Request:
    """A call and what became known of it on its way."""

    call: Call
    id: str
    account: str
    key: str | None
    fault: Fault | None
    resets: int
    """How often the sandbox had been reset when it came."""
    form: forms.Form = field(default_factory=dict)
    publishable: bool = False

    @property
    def keyed(self) -> Keyed | None:
        if self.key is None:
            return None
        text = orjson.dumps(self.form, option=orjson.OPT_SORT_KEYS).decode()
        return Keyed(self.account, self.key, self.call.method, self.call.path, text)


class Api:
    """An ASGI application of its own: breaking a connection needs the server's untouched `receive`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._keys = KeysInUse()
        self._log = RequestLog(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = await read(scope, receive)
        except ConnectionError:
            return
        except ValueError:
            await transmit(Answer(413, b'{"error": {"message": "Request too large."}}\n'), receive, send)
            return
        await self._serve(call, receive, send)

    async def _serve(self, call: Call, receive: Receive, send: Send) -> None:
        """Log, answer and send."""
        account = call.headers.get("stripe-account", "")
        request = _Request(
            call=call,
            id=self._sandbox.ids.new("req_"),
            account=account,
            key=call.headers.get("idempotency-key") if call.method == "POST" else None,
            fault=self._sandbox.faults.take(call.method, call.path, account),
            resets=self._sandbox.resets,
        )
        entry = self._log.arrived(call, request.id, account)
        answer = await self._answer(request)
        answer.headers |= self._headers(request)
        self._log.answered(entry, answer, request.fault)
        await transmit(answer, receive, send)

    async def _answer(self, request: _Request) -> Answer:
        """Whatever happens, there is an answer; a fault may keep it from arriving whole."""
        try:
            request.form = forms.decode(request.call.parameters)
            answer = await self._process(request)
        except StripeError as error:
            answer = _refusal(error, request.id)
        except Exception:
            log.exception("a bug in the sandbox", request_id=request.id, path=request.call.path)
            answer = _refusal(faults.internal_error(), request.id)
        return _spoiled(answer, request)

    async def _process(self, request: _Request) -> Answer:
        call, fault = request.call, request.fault
        if fault is not None:  # whoever calls, and whatever for
            faults.refuse(fault, key=request.key)
        request.publishable = auth.authenticate(self._sandbox.config, call.headers.get("authorization", ""))
        auth.check_version(call.headers.get("stripe-version", API_VERSION))
        auth.check_account(self._sandbox.store, request.account)
        operation, variables = route(call.method, call.path)
        auth.authorize(operation, publishable=request.publishable)
        if request.key is not None:
            idempotency.check_key(request.key)
        with self._keys.claim(request.keyed):
            if fault is not None and fault.fault is FaultKind.LATENCY:
                await asyncio.sleep((fault.latency_ms or 0) / 1000)
                if request.resets != self._sandbox.resets:  # it would come as a surprise to whoever is next
                    return Answer(0, b"", transmission=Transmission.RESET)
            if fault is not None and fault.fault in faults.LOST_BEFORE_COMMIT:
                return Answer(0, b"")
            return self._replay(request.keyed) or self._execute(request, operation, variables)

    def _replay(self, keyed: Keyed | None) -> Answer | None:
        if keyed is None:
            return None
        answer = idempotency.kept(self._sandbox.store, keyed, now=self._sandbox.clock.now())
        if answer is None:
            return None
        headers = {"Idempotent-Replayed": "true", "Original-Request": answer.request_id}
        return Answer(answer.status, answer.body, headers, replayed=True)

    def _execute(self, request: _Request, operation: Operation, variables: dict[str, str]) -> Answer:
        """One transaction: the change, its events, and the answer under its key. Raises NotExecuted."""
        params = parameters.check(operation.parameters, request.form)
        cause = Cause(request.id, request.key) if request.call.method != "GET" else None
        with self._sandbox.change(
            account=request.account,
            cause=cause,
            base_url=request.call.base_url,
            publishable=request.publishable,
        ) as tx:
            try:
                with tx.store.savepoint():
                    faults.refuse_in_execution(request.fault)
                    answer = self._call(operation, variables, params, tx, request.id)
            except NotExecuted:
                raise
            except StripeError as error:
                answer = _refusal(error, request.id)
            if request.fault is not None and request.fault.fault is FaultKind.ERROR_500_AFTER_COMMIT:
                answer = _refusal(faults.internal_error(), request.id)
            if request.keyed is not None:
                kept = KeptAnswer(answer.status, answer.body, request.id)
                idempotency.keep(tx.store, request.keyed, kept, now=self._sandbox.clock.now())
        return answer

    def _call(
        self, operation: Operation, variables: dict[str, str], params: Params, tx: Tx, request_id: str
    ) -> Answer:
        paths = params.get("expand", [])
        try:
            body = operation.handler(tx, params, **variables)
        except AttemptFailed as failure:  # what it changed stays
            return _refusal(failure, request_id)
        return Answer(200, render(expand(tx, body, paths)))

    def _headers(self, request: _Request) -> dict[str, str]:
        headers = {
            "Request-Id": request.id,
            "Stripe-Version": request.call.headers.get("stripe-version", API_VERSION),
        }
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        return headers


def _refusal(error: StripeError, request_id: str) -> Answer:
    return Answer(error.status, render(error.envelope(request_id)), dict(error.headers))


def _spoiled(answer: Answer, request: _Request) -> Answer:
    """What a fault does to an answer that is ready: to replays as well, and never to what is kept."""
    fault = request.fault
    if fault is None:
        return answer
    if fault.fault is FaultKind.ERROR_500_AFTER_COMMIT and answer.replayed:
        return _refusal(faults.internal_error(), request.id)
    answer.transmission = _TRANSMISSIONS.get(fault.fault, answer.transmission)
    return answer
