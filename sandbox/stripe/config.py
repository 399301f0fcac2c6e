"""What a sandbox is started with."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

API_VERSION = "2026-05-27.dahlia"
"""The only version of Stripe's API that the sandbox speaks: the one of the specification it enforces."""

DELIVERY_RETRY_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 10800.0)
"""Waits before each further try of a webhook, in virtual seconds. After the last one it is given up."""


@dataclass(frozen=True)
class WebhookEndpointConfig:
    """An endpoint that exists from the start. `connect`: it hears connected accounts, else the platform.

    With a `previous_secret` its secret is being rotated: deliveries are signed with both.
    """

    url: str
    secret: str
    connect: bool = False
    previous_secret: str | None = None


@dataclass(frozen=True)
class SandboxConfig:
    """`database` None keeps everything in memory; `seed` None draws one at the first start.

    `signs_at`: the time that signatures are stamped with, which receivers hold against their own clocks.
    """

    database: Path | None
    secret_key: str
    publishable_key: str
    webhooks: tuple[WebhookEndpointConfig, ...] = ()
    delivery_retry_s: tuple[float, ...] = DELIVERY_RETRY_S
    seed: int | None = None
    signs_at: Callable[[], float] = time.time
