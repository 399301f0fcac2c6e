"""Structured logs: JSON lines on standard output. Ids and codes; never a secret or an e-mail address."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog

_HIDDEN: Final = "[hidden]"
_HIDDEN_NAMES: Final = re.compile(
    r"secret|password|authorization|token|signature|e_?mail|cookie|card_?number|cvc", re.IGNORECASE
)
# The last net, for what a library puts into a message of its own.
_HIDDEN_TEXTS: Final = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+"  # an e-mail address
    r"|\bey[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON web token
    r"|\b(?:sk|rk|whsec|pk)_[A-Za-z0-9_]{8,}"  # Stripe's keys
    r"|\b\w+_secret_\w+"  # a client secret
    r"|\b(?:mongodb(?:\+srv)?|rediss?)://[^\s@/]*@"  # a password in a URL
    r"|\b\d(?:[ -]?\d){12,18}\b"  # a card number
)
_QUIET: Final = ("stripe", "httpx", "httpcore", "pymongo", "uvicorn.access", "arq", "asyncio")


def configure(level: str, stream: TextIO = sys.stdout) -> None:
    """Send structlog's and the standard library's records the same way. Once a process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog's processor: what looks like a secret or an address does not get out."""
    for name, value in event.items():
        event[name] = _HIDDEN if _HIDDEN_NAMES.search(name) else _cleaned(value)
    return event


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _HIDDEN_TEXTS.sub(_HIDDEN, value)
    if isinstance(value, Mapping):
        return {
            name: _HIDDEN if _HIDDEN_NAMES.search(str(name)) else _cleaned(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
