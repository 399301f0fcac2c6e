"""What the loads run on: an embedded replica set, and one API process with a person in it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from cryptography.fernet import Fernet

from sandbox.stores import start_mongod, throwaway_folder

START_S_MAX = 30.0
_SIGN_UP = """mutation { signUp(input: {email: "ada@example.com", password: "correct horse",
    displayName: "Ada", roles: [CUSTOMER]}) { session { accessToken user { id } } } }"""


@dataclass(frozen=True)
class Api:
    host: str
    port: int
    token: str
    user_id: str


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Settings for processes of the product, over an empty database. Stripe and Redis are not needed."""
    with throwaway_folder() as folder, start_mongod(folder / "mongodb", throwaway=True) as mongod:
        yield {
            "MONGODB_URL": mongod.url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_API_BASE": "http://127.0.0.1:1",
            "STRIPE_WEBHOOK_SECRETS": "whsec_bench",
            "STRIPE_CONNECT_WEBHOOK_SECRETS": "whsec_bench",
            "JWT_KEYS": "bench:thirty-two-bytes-are-the-least-there-is",
            "DATA_KEYS": Fernet.generate_key().decode(),
            "CHECKPOINT_KEY": Fernet.generate_key().decode(),
            "LOG_LEVEL": "WARNING",
        }


@asynccontextmanager
async def api(settings: dict[str, str]) -> AsyncIterator[Api]:
    """`jobsphere serve`, one process, and a customer who is signed in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        "serve",
        env={**os.environ, **settings, "PORT": str(port)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(START_S_MAX):
            await _until_ready(client)
            answer = (await client.post("/graphql", json={"query": _SIGN_UP})).json()
        session = answer["data"]["signUp"]["session"]
        yield Api("127.0.0.1", port, session["accessToken"], session["user"]["id"])
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(client: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await client.get("/health/ready")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
