"""arq's functions. All repeatable: a job may run twice, and the sweep does the same without a bell."""

from typing import Any, Final

from arq.worker import Function, func

from domain import dispatch
from domain.runtime import Runtime


async def _handle_event(ctx: dict[str, Any], event_id: str) -> None:
    runtime: Runtime = ctx["runtime"]
    await dispatch.handle(runtime, event_id)


FUNCTIONS: Final[tuple[Function, ...]] = (func(_handle_event, name=dispatch.HANDLE_EVENT),)
