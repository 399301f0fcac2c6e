"""`$DATA_DIR/run.json`: where everything is and how to get in, for tools outside the project."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.credentials import signing_secret
from sandbox.files import write_private
from sandbox.people import PEOPLE
from sandbox.plan import Plan


class RunFile:
    """Written whole, mode 0600, whenever a pid changes. Gone when the run has ended."""

    def __init__(self, data: Path) -> None:
        self.path = data / "run.json"

    def write(self, plan: Plan, pids: Mapping[str, int]) -> None:
        write_private(self.path, content(plan, pids))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def content(plan: Plan, pids: Mapping[str, int]) -> dict[str, Any]:
    """No address ends with a slash. The pid of what is not ours is null, and so are keys of real Stripe."""
    base = plan.addresses.url("api")
    return {
        "graphql": f"{base}/graphql",
        "graphiql": f"{base}/graphql",
        "websocket": f"{plan.addresses.url('api', 'ws')}/graphql",
        "webhooks": f"{base}/webhooks/stripe",
        "metrics": f"{base}/metrics",
        "stripe_api_base": plan.environment["STRIPE_API_BASE"].rstrip("/"),
        **_stripe_keys(plan),
        "mongodb_url": plan.environment["MONGODB_URL"],
        "redis_url": plan.environment["REDIS_URL"],
        **{name: _sign_in(plan, name) for name in ("admin", "second_admin")},
        "pids": {part: pids.get(part) for part in ("api", "worker", "sandbox", "mongodb", "redis")},
    }


def _sign_in(plan: Plan, person: str) -> dict[str, str]:
    return {"email": PEOPLE[person].email, "password": plan.passwords[person]}


def _stripe_keys(plan: Plan) -> dict[str, str | None]:
    given = plan.environment
    keys = {
        "stripe_secret_key": given["STRIPE_SECRET_KEY"],
        "stripe_publishable_key": given.get("STRIPE_PUBLISHABLE_KEY"),
        "stripe_webhook_secret": signing_secret(given["STRIPE_WEBHOOK_SECRETS"]),
        "stripe_connect_webhook_secret": signing_secret(given["STRIPE_CONNECT_WEBHOOK_SECRETS"]),
    }
    return keys if plan.embeds("sandbox") else dict.fromkeys(keys)
