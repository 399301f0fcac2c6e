"""`jobsphere`: every way to start, look at and look after the product.

A command imports what it needs when it runs: the whole product takes a second, and `up` need not wait for it.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from domain.ledger import Report
    from server.settings import Settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False, help=__doc__
)
ledger_app = typer.Typer(no_args_is_help=True, help="The books: prove them.")
app.add_typer(ledger_app, name="ledger")
SCHEMA_FILE = Path("schema.graphql")
Result = TypeVar("Result")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def serve() -> None:
    """Serve the API, one process. Run as many as you like behind a load balancer."""
    from server import logs
    from server.app import create_app
    from server.wire import Server, uvicorn_config

    settings = _settings()
    logs.configure(settings.log_level)
    application, graphql = create_app(settings)
    server = Server(uvicorn_config(application, host=settings.host, port=settings.port), graphql)
    _run(server.serve())


@app.command()
def worker() -> None:
    """Handle what the API rings for, and sweep up what nobody rang for. Run as many as you like."""
    from server import logs
    from server import worker as worker_process

    settings = _settings()
    logs.configure(settings.log_level)
    _run(worker_process.run(settings))


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Fail when schema.graphql differs.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write schema.graphql, printed from code."""
    from schema.roots import make_schema

    printed = make_schema().as_str() + "\n"
    if dry_run:
        print(printed, end="")
    elif not check:
        SCHEMA_FILE.write_text(printed)
    elif not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text() != printed:
        _fail("schema.graphql is not what the code prints. Run `jobsphere schema` and commit it.")


@app.command()
def indexes(dry_run: DryRun = False) -> None:
    """Create the database's indexes. Safe to repeat, and beside running traffic."""
    from server.runtime import DOCUMENTS
    from server.setup import prepare

    if not dry_run:
        _run(prepare(_settings(local=True)))
    for document in DOCUMENTS:
        collection = document.Settings
        for index in getattr(collection, "indexes", []):
            print(f"{collection.name}.{index.document['name']}")


@app.command()
def create_admin(
    email: Annotated[str, typer.Option(prompt=True, help="The address to sign in with.")],
    display_name: Annotated[str, typer.Option(prompt=True, help="The name to show.")],
    password: Annotated[
        str,
        typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, help="At least 8 characters."),
    ],
    dry_run: DryRun = False,
) -> None:
    """Make an administrator. Nobody can sign up as one."""
    from domain import identity
    from server.runtime import open_runtime

    async def create() -> str:
        async with open_runtime(_settings(local=True)) as runtime:
            if dry_run:
                taken = await identity.find_by_email(runtime, email)
                return "this address is taken" if taken else "would be made"
            person = await identity.create_admin(
                runtime, email=email, password=password, display_name=display_name
            )
            return str(person.id)

    print(_run(create()))


@app.command()
def evidence(
    job_id: Annotated[str, typer.Argument(help="The marketplace's own reference, as its escrows bear it.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip to write; evidence-JOB_ID.zip by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write all that is on record about one job into a zip that anybody can check. Nothing is changed."""
    from domain import evidence as evidence_of_job
    from server import logs
    from server.files import write_private
    from server.runtime import open_runtime

    logs.configure("WARNING", sys.stderr)
    path = output or Path(f"evidence-{_file_name(job_id)}.zip")
    if path.exists() and not force:
        _fail(f"{path} is there already. Name another file (--output), or replace it (--force).")

    async def collect() -> evidence_of_job.Pack:
        async with open_runtime(_settings(local=True)) as runtime:
            return await evidence_of_job.collect(runtime, job_id)

    pack = _run(collect())
    if not dry_run:
        try:
            write_private(path, pack.zipped(), replace=force)
        except OSError as error:
            _fail(f"{path} could not be written: {error.strerror}")
    done = "would be written" if dry_run else "written"
    print(f"{path} {done}: {pack.counted}\nCheck it: python verify.py, in the unpacked folder")


def _file_name(job_id: str) -> str:
    """`job_id` as a part of a file's name, whatever the marketplace puts into it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", job_id)[:100].strip(".-") or "job"


@ledger_app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask Stripe nothing: invariant 8 is left out.")
    ] = False,
) -> None:
    """Prove the invariants on live data, beside traffic. Exit status 1 when one does not hold."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from domain import reconciliation
    from server import logs
    from server.runtime import open_runtime

    # Standard output is the report's.
    logs.configure("WARNING", sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {name: bars.add_task(name, total=None) for name in ("entries", "wallets")}

        def progress(what: str, done: int, total: int) -> None:
            bars.update(tasks[what], completed=done, total=total)

        async def prove() -> "Report":
            async with open_runtime(_settings(local=True)) as runtime:
                return await reconciliation.verify_books(runtime, progress, asking_stripe=not offline)

        report = _run(prove())
    print(_as_json(report) if as_json else _as_text(report))
    if not report.ok:
        raise typer.Exit(1)


def _as_json(report: "Report") -> str:
    from domain.kernel.clock import iso

    last = report.last_checkpoint_at
    instants = {"checked_at": iso(report.checked_at), "last_checkpoint_at": last and iso(last)}
    return json.dumps({**asdict(report), **instants, "ok": report.ok}, indent=2)


def _as_text(report: "Report") -> str:
    from domain.kernel.clock import iso

    lines = [f"{v.invariant}: {v.subject}: expected {v.expected}, is {v.actual}" for v in report.violations]
    verdict = "sound" if report.ok else f"{len(lines)} violations"
    lines += [f"not checked: {reason}" for reason in report.unchecked]
    last = report.last_checkpoint_at
    checkpoint = f"last checkpoint {iso(last) if last else 'none'}"
    counted = f"{report.entries} entries, {report.wallets} wallets, {checkpoint}"
    return "\n".join([*lines, f"{counted}: {verdict}"])


def _settings(*, local: bool = False) -> "Settings":
    """From the environment and .env; with `local`, also as `make run` in this folder is configured.

    A process that serves must be told all of its secrets: it never takes a local run's.
    """
    from pydantic import ValidationError

    from server.settings import Settings, explain

    files = [Path(".env")]
    if local and os.environ.get("ENVIRONMENT") != "production":
        files.insert(0, Path(os.environ.get("DATA_DIR", ".data"), "environment"))
    try:
        return Settings(_env_file=files)
    except ValidationError as error:
        _fail(f"{explain(error)}\nThese settings stop the start; .env.example explains each.")


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    import uvloop

    from domain.kernel.errors import DomainError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except DomainError as error:
        _fail(error.message)


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(1)


# The sandbox adds `up`, `sandbox` and `demo` here, so that nothing in the product points at it.
for _entry in entry_points(group="jobsphere.commands"):
    _entry.load()(app)
