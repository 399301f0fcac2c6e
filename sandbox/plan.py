"""What one run consists of: which parts are ours to run, where they listen, what they are told."""

import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import credentials
from sandbox.errors import RunError
from sandbox.ports import Ports
from sandbox.processes import LOOPBACK
from sandbox.stores import mongodb_url, redis_url

STRIPE_ITSELF: Final = "https://api.stripe.com"
PREFERRED_PORTS: Final = {"api": 8000, "sandbox": 8001, "mongodb": 27017, "redis": 6379}
REPLACED_BY: Final = {"mongodb": "MONGODB_URL", "redis": "REDIS_URL", "sandbox": "STRIPE_SECRET_KEY"}
"""The setting that puts the real thing in the place of an embedded part."""
EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
JOBSPHERE: Final = (sys.executable, str(Path(sysconfig.get_path("scripts"), "jobsphere")))


class InvalidPortError(RunError):
    """PORT is no number."""


@dataclass(frozen=True)
class Addresses:
    """Where those parts listen that are ours to run. `host` is the API's."""

    host: str
    ports: Mapping[str, int]

    @property
    def sandbox_host(self) -> str:
        """Its controls ask for no password: it is open to others only if everything is (in a container)."""
        return self.host if self.host in EVERY_ADDRESS else LOOPBACK

    def url(self, part: str, scheme: str = "http") -> str:
        host = LOOPBACK if part != "api" or self.host in EVERY_ADDRESS else self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.ports[part]}"


@dataclass(frozen=True)
class Plan:
    """`environment` is all that the API and the worker get; `jobsphere` is how its command line is called."""

    data: Path
    addresses: Addresses
    environment: Mapping[str, str]
    passwords: Mapping[str, str]
    jobsphere: Sequence[str] = JOBSPHERE

    def embeds(self, part: str) -> bool:
        return part in self.addresses.ports

    def log(self, part: str) -> Path:
        return self.data / "logs" / f"{part}.log"


def make_plan(given: Mapping[str, str], data: Path, ports: Ports) -> Plan:
    """Decide where everything is. `given`, the user's environment, overrules what is kept in `data`."""
    addresses = _addresses(given, ports)
    kept = credentials.kept_settings(data)
    if "sandbox" not in addresses.ports:
        del kept["STRIPE_PUBLISHABLE_KEY"]  # the sandbox's, beside a real secret key, would only mislead
    environment = {
        "ENVIRONMENT": "development",
        "MONGODB_DATABASE": "jobsphere",
        "STRIPE_API_BASE": STRIPE_ITSELF,
        **_unhurried(addresses),
        **kept,
        **given,
        **_embedded_urls(addresses),
        "HOST": addresses.host,
        "PORT": str(addresses.ports["api"]),
        "DATA_DIR": str(data),
        "PROMETHEUS_MULTIPROC_DIR": str(data / "metrics"),
        "PYTHONUNBUFFERED": "1",
    }
    return Plan(data, addresses, environment, credentials.kept_passwords(data))


def _addresses(given: Mapping[str, str], ports: Ports) -> Addresses:
    host = given.get("HOST", LOOPBACK)
    preferred = PREFERRED_PORTS | {"api": _port(given.get("PORT", str(PREFERRED_PORTS["api"])))}
    return Addresses(
        host,
        {
            part: ports.take(port, host if part == "api" else LOOPBACK)
            for part, port in preferred.items()
            if REPLACED_BY.get(part) not in given
        },
    )


def _port(text: str) -> int:
    if not text.isdecimal():
        raise InvalidPortError(f"PORT must be a number, not {text!r}")
    return int(text)


def _embedded_urls(addresses: Addresses) -> dict[str, str]:
    settings = {}
    if "mongodb" in addresses.ports:
        settings["MONGODB_URL"] = mongodb_url(addresses.ports["mongodb"])
    if "redis" in addresses.ports:
        settings["REDIS_URL"] = redis_url(addresses.ports["redis"])
    if "sandbox" in addresses.ports:
        settings["STRIPE_API_BASE"] = addresses.url("sandbox")
    return settings


def _unhurried(addresses: Addresses) -> dict[str, str]:
    """Our own sandbox need not be spared as Stripe must."""
    return {"STRIPE_REQUESTS_PER_SECOND": "1000"} if "sandbox" in addresses.ports else {}


def make_room(data: Path) -> None:
    """The last run's logs step aside, its measurements go."""
    logs, metrics = data / "logs", data / "metrics"
    logs.mkdir(exist_ok=True)
    for log in logs.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir()
