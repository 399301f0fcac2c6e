"""The ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from . import operations
from .api import Api
from .checkout_pages import CheckoutPages
from .config import API_VERSION, SandboxConfig
from .connect_pages import ConnectPages
from .controls import Controls
from .delivery import Courier
from .pages import Pages
from .sandbox import Sandbox, open_sandbox

log = structlog.get_logger(__name__)


def create_app(config: SandboxConfig) -> Starlette:
    """`/v1` is Stripe's API, `/_sandbox` its controls, the rest a few pages for people.

    The database is open from here on; the lifespan plays the clock and delivers the webhooks. `state.sandbox`
    is for who embeds it, in the event loop that serves it.
    """
    operations.warm_up()
    sandbox = open_sandbox(config)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(Courier(sandbox).run())
        task.add_done_callback(_report_crash)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            sandbox.store.close()

    app = Starlette(routes=_routes(sandbox), lifespan=lifespan)
    app.state.sandbox = sandbox
    return app


def _routes(sandbox: Sandbox) -> list[Route | Mount]:
    return [
        Route("/v1/{path:path}", Api(sandbox)),
        Mount("/_sandbox", routes=Controls(sandbox).routes()),
        *Pages(sandbox).routes(),
        *CheckoutPages(sandbox).routes(),
        *ConnectPages(sandbox).routes(),
        Route("/", _greeting),
    ]


async def _greeting(_request: Request) -> JSONResponse:
    return JSONResponse({"name": "Stripe sandbox", "api_version": API_VERSION})


def _report_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the courier crashed: no webhooks from now on", exc_info=error)
