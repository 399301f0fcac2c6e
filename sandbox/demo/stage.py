"""Where the story is played: what `run.json` says of the run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.demo.errors import NoStageError


@dataclass(frozen=True)
class Stage:
    """Addresses, the sandbox's keys, and how the first administrator signs in."""

    graphql: str
    websocket: str
    stripe: str
    secret_key: str
    publishable_key: str
    admin: Mapping[str, str]


def find_stage(data: Path) -> Stage:
    """Raises NoStageError."""
    file = data / "run.json"
    try:
        run: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        raise NoStageError(
            f"Nothing runs here: there is no {file}.\n"
            "Start everything with `make run` in another terminal; DATA_DIR must be the same for both."
        ) from None
    if run["stripe_secret_key"] is None:
        raise NoStageError(
            "This run uses Stripe itself (STRIPE_SECRET_KEY), where no story is played.\n"
            "Start it without that setting: then the Stripe sandbox is there."
        )
    return Stage(
        graphql=run["graphql"],
        websocket=run["websocket"],
        stripe=run["stripe_api_base"],
        secret_key=run["stripe_secret_key"],
        publishable_key=run["stripe_publishable_key"],
        admin=run["admin"],
    )
