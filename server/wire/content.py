"""HTTP's side of GraphQL over HTTP: media types and strict JSON."""

from collections.abc import Iterator
from email.message import Message
from typing import Any, Final

import orjson

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
HTML: Final = "text/html"


def choose_media_type(accept: str | None) -> str | None:
    """How to answer under this Accept header; None when it allows neither of the two.

    A client that names nothing, or only a wildcard, is an old one and gets plain JSON; one that names both as
    equals knows what graphql-response+json means.
    """
    if not accept:
        return JSON
    ranges = dict(_ranges(accept))
    quality = {media_type: _quality(media_type, ranges) for media_type in (GRAPHQL_RESPONSE, JSON)}
    if quality[JSON] <= 0 and quality[GRAPHQL_RESPONSE] <= 0:
        return None
    if quality[JSON] == quality[GRAPHQL_RESPONSE]:
        return GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in ranges else JSON
    return max(quality, key=lambda media_type: quality[media_type])


def wants_stream(accept: str | None) -> bool:
    """Whether server-sent events are asked for. Clients that also read JSON list them by habit."""
    return accept is not None and EVENT_STREAM in dict(_ranges(accept)) and choose_media_type(accept) is None


def wants_page(accept: str | None) -> bool:
    """Whether a person's browser asks: it names HTML, a GraphQL client never does."""
    return accept is not None and HTML in dict(_ranges(accept))


def is_json(content_type: str | None) -> bool:
    """Whether a body is JSON by its exact type, in the only encoding that JSON has."""
    message = Message()
    message["content-type"] = content_type or ""
    charset = message.get_param("charset", "utf-8")
    return message.get_content_type() == JSON and isinstance(charset, str) and charset.lower() == "utf-8"


def decode(data: str | bytes) -> Any:
    """JSON by the book: no NaN, no infinity, no lone surrogate, UTF-8 only, at most 1,024 levels deep.

    Raises json.JSONDecodeError.
    """
    return orjson.loads(data)


def encode(data: object) -> bytes:
    """Raises TypeError for what JSON cannot carry."""
    return orjson.dumps(data)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """`a/b;q=0.5, c/*` as ("a/b", 0.5), ("c/*", 1.0)."""
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = _number(parameter.removeprefix("q="))
        yield media_range, quality


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """The most exact range decides (RFC 9110, 12.5.1)."""
    for media_range in (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
