"""`python -m server` is `jobsphere`."""

from server.cli import app

app()
