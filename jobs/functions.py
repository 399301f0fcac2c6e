"""arq's functions. All repeatable: a job may run twice, and the sweep does the same without a bell."""

from typing import Any, Final

from arq.worker import Function, func

from domain import dispatch, refunds, withdrawals
from domain.runtime import Runtime


async def _handle_event(ctx: dict[str, Any], event_id: str) -> None:
    runtime: Runtime = ctx["runtime"]
    await dispatch.handle(runtime, event_id)


async def _send_withdrawal(ctx: dict[str, Any], withdrawal_id: str) -> None:
    runtime: Runtime = ctx["runtime"]
    await withdrawals.go_on(runtime, withdrawal_id)


async def _send_refund(ctx: dict[str, Any], refund_id: str) -> None:
    runtime: Runtime = ctx["runtime"]
    await refunds.go_on(runtime, refund_id)


FUNCTIONS: Final[tuple[Function, ...]] = (
    func(_handle_event, name=dispatch.HANDLE_EVENT),
    func(_send_withdrawal, name=withdrawals.SEND),
    func(_send_refund, name=refunds.SEND),
)
