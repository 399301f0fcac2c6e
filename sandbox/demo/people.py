"""People at a front end: they ask over HTTP and watch over a WebSocket (graphql-transport-ws)."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets
from websockets.typing import Subprotocol

from sandbox.demo.documents import SIGN_IN, SIGN_UP
from sandbox.demo.errors import StoryError
from sandbox.demo.stage import Stage

PROTOCOL = Subprotocol("graphql-transport-ws")
Json = dict[str, Any]


class Person:
    """Somebody who is signed in. Every document has one field, and that field's value is the answer."""

    def __init__(self, name: str, stage: Stage, http: httpx.AsyncClient) -> None:
        self.name = name
        self.id = ""
        self._stage = stage
        self._http = http
        self._authorization: dict[str, str] = {}

    async def sign_up(self, role: str) -> None:
        """As somebody whom nobody has seen before: the story can be played again and again."""
        await self._enter(
            SIGN_UP,
            email=f"{self.name}.{secrets.token_hex(6)}@example.com".lower(),
            password=secrets.token_urlsafe(),
            displayName=self.name,
            roles=[role],
        )

    async def sign_in(self, email: str, password: str) -> None:
        await self._enter(SIGN_IN, email=email, password=password)

    async def does(self, document: str, **command: Any) -> Json:
        """The payload of a mutation, which must not refuse."""
        payload = await self.tries(document, **command)
        if payload["userErrors"]:
            raise StoryError(f"{self.name} is refused: {_sentence(payload['userErrors'])}")
        return payload

    async def tries(self, document: str, **command: Any) -> Json:
        """The payload of a mutation, be it a refusal."""
        return await self.asks(document, input=command)

    async def asks(self, document: str, **variables: Any) -> Json:
        body = {"query": document, "variables": variables}
        response = await self._http.post(self._stage.graphql, json=body, headers=self._authorization)
        return _only_field(response.json())

    @asynccontextmanager
    async def watches(self, document: str, **variables: Any) -> AsyncIterator[AsyncIterator[Json]]:
        """What the subscription's field says, from its state now until it completes."""
        async with websockets.connect(self._stage.websocket, subprotocols=[PROTOCOL], proxy=None) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": self._authorization}))
            await socket.recv()  # the connection_ack; a refusal closes the socket
            asked = {"query": document, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": asked}))
            yield _updates(socket)

    async def _enter(self, document: str, **command: Any) -> None:
        session = (await self.does(document, **command))["session"]
        self.id = session["user"]["id"]
        self._authorization = {"Authorization": f"Bearer {session['accessToken']}"}


async def _updates(socket: websockets.ClientConnection) -> AsyncIterator[Json]:
    async for frame in socket:
        message = json.loads(frame)
        match message["type"]:
            case "next":
                yield _only_field(message["payload"])
            case "ping":
                await socket.send(json.dumps({"type": "pong"}))
            case "error":
                raise StoryError(_sentence(message["payload"]))
            case "complete":
                return


def _only_field(answer: Json) -> Json:
    if answer.get("errors"):
        raise StoryError(_sentence(answer["errors"]))
    [value] = answer["data"].values()
    found: Json = value
    return found


def _sentence(errors: list[Json]) -> str:
    return "; ".join(error["message"] for error in errors)
