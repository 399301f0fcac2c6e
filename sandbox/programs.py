"""The programs of a run: what the plan says, as commands."""

import functools
import http.client
from typing import Final
from urllib.parse import urlsplit

from sandbox.plan import Plan
from sandbox.processes import Program
from sandbox.stores import mongod_program, valkey_program

ANSWER_S_MAX: Final = 1.0


def stores(plan: Plan) -> list[Program]:
    """Those of the stores that are ours to run. Raises StoreUnavailableError."""
    ports = plan.addresses.ports
    programs = []
    if "mongodb" in ports:
        programs.append(mongod_program(plan.data / "mongodb", ports["mongodb"], log=plan.log("mongodb")))
    if "redis" in ports:
        programs.append(valkey_program(plan.data / "redis", ports["redis"], log=plan.log("redis")))
    return programs


def stripe(plan: Plan) -> list[Program]:
    """The Stripe sandbox, unless Stripe itself is used."""
    if not plan.embeds("sandbox"):
        return []
    webhooks = f"{plan.addresses.url('api')}/webhooks/stripe"
    listen = ("--host", plan.addresses.sandbox_host, "--port", str(plan.addresses.ports["sandbox"]))
    ready = functools.partial(_status_below, 500, plan.addresses.url("sandbox"))
    command = (*plan.jobsphere, "sandbox", *listen, "--webhook-url", webhooks)
    return [Program("sandbox", command, plan.log("sandbox"), ready, plan.environment)]


def product(plan: Plan) -> list[Program]:
    """The API and the worker."""
    ready = functools.partial(_status_below, 300, plan.addresses.url("api"), "/health/ready")
    return [
        Program("api", (*plan.jobsphere, "serve"), plan.log("api"), ready, plan.environment),
        Program("worker", (*plan.jobsphere, "worker"), plan.log("worker"), _at_once, plan.environment),
    ]


def _at_once() -> bool:
    """The worker listens to nobody; whether it lives is all that can be seen."""
    return True


def _status_below(limit: int, base: str, path: str = "/") -> bool:
    """Whether a GET is answered with a status below `limit`."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=ANSWER_S_MAX)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < limit
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
