"""What the sandbox adds to the `jobsphere` command: `up`, `sandbox` and `demo`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sandbox.credentials import kept_settings, signing_secret

Parent = Annotated[
    int | None, typer.Option(hidden=True, help="Stop when this process, our parent, has ended.")
]
DATABASE = "stripe.sqlite3"
GRACE_S = 1
"""Seconds for calls that still run when it is told to stop: one that a fault holds ends not by itself."""


def register(app: typer.Typer) -> None:
    """The entry point of `jobsphere.commands`."""
    app.command("up")(run_everything)
    app.command("sandbox")(serve_stripe)
    app.command("demo")(play_a_job)


def run_everything(parent: Parent = None) -> None:
    """Run everything on this machine: stores, Stripe sandbox, API and worker, until Ctrl-C."""
    from sandbox.up import up, user_environment  # noqa: PLC0415 - other commands need none of it

    raise typer.Exit(up(user_environment(), parent=parent))


def serve_stripe(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8001,
    webhook_url: Annotated[
        str,
        typer.Option(help="Where the platform's events are sent; connected accounts' below it, at /connect."),
    ] = "http://127.0.0.1:8000/webhooks/stripe",
) -> None:
    """Run the Stripe sandbox alone. Keys and webhook secrets come from the environment or from DATA_DIR."""
    import uvicorn  # noqa: PLC0415 - other commands need none of it

    from sandbox.stripe import SandboxConfig, WebhookEndpointConfig, create_app  # noqa: PLC0415

    data = Path(os.environ.get("DATA_DIR", ".data")).resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {**kept_settings(data), **os.environ}
    config = SandboxConfig(
        database=data / DATABASE,
        secret_key=settings["STRIPE_SECRET_KEY"],
        publishable_key=settings["STRIPE_PUBLISHABLE_KEY"],
        webhooks=(
            WebhookEndpointConfig(
                url=webhook_url, secret=signing_secret(settings["STRIPE_WEBHOOK_SECRETS"]), connect=False
            ),
            WebhookEndpointConfig(
                url=f"{webhook_url}/connect",
                secret=signing_secret(settings["STRIPE_CONNECT_WEBHOOK_SECRETS"]),
                connect=True,
            ),
        ),
    )
    uvicorn.run(
        create_app(config), host=host, port=port, log_level="warning", timeout_graceful_shutdown=GRACE_S
    )


def play_a_job(
    svg: Annotated[
        Path | None, typer.Option(help="Draw what was shown into this file.", dir_okay=False, writable=True)
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Pause after each step, for an audience.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Name the steps, and do nothing.")] = False,
) -> None:
    """Play the life of a job's money, from a card to a bank, with new people, on what `up` runs."""
    from sandbox import demo  # noqa: PLC0415 - other commands need none of it
    from sandbox.up import user_environment  # noqa: PLC0415

    if dry_run:
        demo.show_steps()
        return
    raise typer.Exit(demo.play(user_environment(), svg=svg, slow=slow))
