"""`/_sandbox`: what tests and demonstrations turn. JSON in, JSON out; 400 and a sentence for nonsense."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import (
    accounts,
    balance,
    checkouts,
    disputes,
    events,
    onboarding,
    payouts,
    refunds,
    state,
    timers,
    unprompted,
    webhook_endpoints,
)
from .cards import NETWORK_REASON_CODES
from .control_bodies import (
    Body,
    CheckoutBody,
    ClockBody,
    DisputeBody,
    DisputeOutcomeBody,
    FaultBody,
    FloatBody,
    MovementBody,
    OnboardBody,
    PayoutBody,
    RefundBody,
    ResetBody,
    RollBody,
    TimesBody,
    WebhooksBody,
)
from .currencies import check_currency
from .errors import StripeError
from .faults import Fault, FaultKind
from .pages import base_url
from .sandbox import Sandbox
from .standing import Outcome

BodyT = TypeVar("BodyT", bound=Body)


class Refusal(Exception):
    """A control that cannot be obeyed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Controls:
    """One method a call."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/webhooks", self.set_knobs),
            ("POST", "/events/redeliver_last", self.redeliver_last),
            ("POST", "/events/{id}/redeliver", self.redeliver),
            ("POST", "/webhook_endpoints/{id}/roll", self.roll),
            ("POST", "/clock", self.advance),
            ("POST", "/float", self.set_float),
            ("POST", "/balance_transactions", self.plant_movement),
            ("POST", "/refunds/{id}", self.conclude_refund),
            ("POST", "/charges/{id}/dispute", self.dispute),
            ("POST", "/disputes/{id}", self.conclude_dispute),
            ("POST", "/checkout/sessions/{id}", self.pay_checkout),
            ("POST", "/accounts/{id}/onboard", self.onboard),
            ("POST", "/accounts/{id}/payout", self.pay_out),
            ("POST", "/payouts/{id}", self.conclude_payout),
            ("POST", "/reset", self.reset),
            ("GET", "/state", self.state),
        ]
        return [Route(path, _answering(control), methods=[method]) for method, path, control in table]

    async def add_fault(self, request: Request) -> Any:
        body = await _parsed(request, FaultBody)
        if body.fault is FaultKind.ERROR_400 and body.code is None:
            raise Refusal(400, "error_400 needs a code")
        if body.fault is FaultKind.LATENCY and body.latency_ms is None:
            raise Refusal(400, "latency needs latency_ms")
        self._sandbox.faults.rules.append(Fault(**body.model_dump()))
        return {"faults": self._sandbox.faults.shown()}

    async def clear_faults(self, _request: Request) -> Any:
        self._sandbox.faults.clear()
        return {"faults": []}

    async def set_knobs(self, request: Request) -> Any:
        body = await _parsed(request, WebhooksBody)
        self._sandbox.store.set_setting("knobs", body.model_dump())
        return body.model_dump()

    async def redeliver(self, request: Request) -> Any:
        with self._sandbox.change() as tx:
            event = events.find(tx, request.path_params["id"])
            if event is None:
                raise Refusal(404, f"there is no event {request.path_params['id']}")
            return {"event": event["id"], "deliveries": events.redeliver(tx, event)}

    async def redeliver_last(self, request: Request) -> Any:
        body = await _parsed(request, TimesBody)
        with self._sandbox.change() as tx:
            last = events.last_delivered(tx)
            if last is None:
                raise Refusal(404, "there is no event that an endpoint listens to")
            planned = sum(events.redeliver(tx, last) for _ in range(body.times))
        return {"event": last["id"], "deliveries": planned}

    async def advance(self, request: Request) -> Any:
        body = await _parsed(request, ClockBody)
        clock = self._sandbox.clock
        played = timers.play(self._sandbox, until=clock.now() + body.advance_seconds)
        clock.skip(body.advance_seconds)
        self._sandbox.changed.set()
        return {"now": math.floor(clock.now()), "played": played}

    async def set_float(self, request: Request) -> Any:
        body = await _parsed(request, FloatBody)
        with self._sandbox.change() as tx:
            currency = check_currency(body.currency)
            topup = balance.set_float(tx, currency=currency, amount=body.amount, announce=True)
            return {"currency": currency, "available": balance.available(tx, currency), "topup": topup}

    async def plant_movement(self, request: Request) -> Any:
        body = await _parsed(request, MovementBody)
        if body.amount == 0 or (body.type != "adjustment" and body.amount > 0):
            raise Refusal(400, f"amount: {body.amount} is no {body.type}; what leaves is below zero")
        with self._sandbox.change() as tx:
            booked = unprompted.plant(
                tx,
                kind=body.type,
                amount=body.amount,
                currency=check_currency(body.currency),
                fee=body.fee,
                description=body.description,
            )
            return {"balance_transaction": booked, "available": balance.available(tx, booked["currency"])}

    async def conclude_refund(self, request: Request) -> Any:
        body = await _parsed(request, RefundBody)
        with self._sandbox.change() as tx:
            return refunds.conclude(
                tx, request.path_params["id"], body.outcome, failure_reason=body.failure_reason
            )

    async def dispute(self, request: Request) -> Any:
        body = await _parsed(request, DisputeBody)
        if body.reason not in NETWORK_REASON_CODES:
            raise Refusal(400, f"reason: must be one of {', '.join(NETWORK_REASON_CODES)}")
        with self._sandbox.change() as tx:
            return disputes.open_against(tx, request.path_params["id"], **body.model_dump())

    async def conclude_dispute(self, request: Request) -> Any:
        body = await _parsed(request, DisputeOutcomeBody)
        given_back = body.model_dump(include={"amount", "fee_returned"}, exclude_none=True)
        if given_back and body.outcome != "won":
            raise Refusal(400, f"{', '.join(given_back)}: nothing comes back of one that is {body.outcome}")
        with self._sandbox.change() as tx:
            return disputes.conclude(tx, request.path_params["id"], body.outcome, **given_back)

    async def conclude_payout(self, request: Request) -> Any:
        body = await _parsed(request, PayoutBody)
        payout: str = request.path_params["id"]
        if body.failure_code is not None and body.outcome != "failed":
            raise Refusal(400, "failure_code: a payout that is paid has none")
        if body.failure_code is not None and body.failure_code not in payouts.FAILURES:
            raise Refusal(400, f"failure_code: must be one of {', '.join(payouts.FAILURES)}")
        with self._sandbox.change() as tx:
            there = tx.on(payouts.account_of(tx, payout))
            payouts.conclude(there, payout, body.outcome, failure_code=body.failure_code)
            return payouts.reconcile(there, payout)

    async def pay_checkout(self, request: Request) -> Any:
        body = await _parsed(request, CheckoutBody)
        if body.card is not None and body.outcome not in {"paid", "declined"}:
            raise Refusal(400, "card: no card pays later")
        with self._sandbox.change(base_url=base_url(request)) as tx:
            return checkouts.play(tx, request.path_params["id"], body.outcome, card=body.card)

    async def pay_out(self, request: Request) -> Any:
        account: str = request.path_params["id"]
        with self._sandbox.change() as tx:
            accounts.connected(tx, account, param="id")
            return {"payouts": payouts.pay_all_out(tx.on(account))}

    async def onboard(self, request: Request) -> Any:
        body = await _parsed(request, OnboardBody)
        account: str = request.path_params["id"]
        if body.outcome != Outcome.RESTRICTED and (body.requirements or body.deadline is not None):
            raise Refusal(400, f"requirements and deadline: nothing is asked of one that is {body.outcome}")
        with self._sandbox.change() as tx:
            if body.outcome == "deauthorized":
                return onboarding.deauthorize(tx, account)
            return onboarding.conclude(
                tx, account, body.outcome, due=tuple(body.requirements or ()), deadline=body.deadline
            )

    async def roll(self, request: Request) -> Any:
        body = await _parsed(request, RollBody)
        with self._sandbox.change() as tx:
            return webhook_endpoints.roll(tx, request.path_params["id"], expire_in_s=body.expire_in_seconds)

    async def reset(self, request: Request) -> Any:
        body = await _parsed(request, ResetBody)
        self._sandbox.reset(body.seed)
        return {"seed": self._sandbox.ids.seed}

    async def state(self, _request: Request) -> Any:
        return state.shown(self._sandbox)


def _answering(control: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(200, await control(request))
        except Refusal as refusal:
            return _json(refusal.status, {"error": str(refusal)})
        except StripeError as error:
            return _json(400, {"error": str(error)})

    return endpoint


def _json(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_INDENT_2), status, media_type="application/json")


async def _parsed(request: Request, model: type[BodyT]) -> BodyT:
    raw = await request.body()
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()
        )
        raise Refusal(400, problems) from None
