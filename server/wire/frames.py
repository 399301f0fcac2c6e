"""The shape of what a client may send over graphql-transport-ws, checked before anything reads it."""

from typing import Any


def fault(message: object) -> str | None:
    """Why `message`, decoded from one frame, breaks the protocol; None when it does not."""
    if not isinstance(message, dict):
        return "A message must be a JSON object"
    match message.get("type"):
        case "connection_init":
            return _connection_init_fault(message)
        case "ping" | "pong":
            return None if _is_map_or_null(message.get("payload")) else "payload must be an object"
        case "subscribe":
            return _id_fault(message) or _subscribe_fault(message.get("payload"))
        case "complete":
            return _id_fault(message)
        case _:
            return "Unknown message type"


def authorization(payload: dict[str, Any] | None) -> str | None:
    """The value of `Authorization` in a connection_init payload, in any letter case."""
    return next((value for name, value in (payload or {}).items() if name.lower() == "authorization"), None)


def _connection_init_fault(message: dict[str, Any]) -> str | None:
    payload = message.get("payload")
    if not _is_map_or_null(payload):
        return "payload must be an object"
    if not isinstance(authorization(payload), str | None):
        return "Authorization must be a string"
    return None


def _id_fault(message: dict[str, Any]) -> str | None:
    return None if isinstance(message.get("id"), str) and message["id"] else "id must be a string"


def _subscribe_fault(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return "payload must be an object"
    if not isinstance(payload.get("query"), str):
        return "query must be a string"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    if not _is_map_or_null(payload.get("variables")):
        return "variables must be an object"
    if not _is_map_or_null(payload.get("extensions")):
        return "extensions must be an object"
    return None


def _is_map_or_null(value: object) -> bool:
    return isinstance(value, dict | None)
