"""Health: alive (the loop turns) and ready (the database answers, subscriptions are fed)."""

import asyncio
from typing import Final

from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import JSONResponse

from domain.changes import Changes
from domain.runtime import Runtime

PING_S_MAX: Final = 2.0


async def live(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "live"})


async def ready(request: Request) -> JSONResponse:
    """503 with the reason while this process should get no traffic. Redis may be away: it is only a bell."""
    runtime: Runtime = request.state.runtime
    changes: Changes = request.state.changes
    try:
        async with asyncio.timeout(PING_S_MAX):
            await runtime.database.mongo.command("ping")
    except (PyMongoError, TimeoutError):
        return JSONResponse({"status": "not ready", "reason": "the database does not answer"}, 503)
    if not changes.ready.is_set():
        return JSONResponse({"status": "not ready", "reason": "the change stream is not open"}, 503)
    return JSONResponse({"status": "ready"})
