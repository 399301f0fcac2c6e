"""An alert is an error log with a stable code and a counter: what wakes the engineer on call."""

from typing import Any

import structlog
from prometheus_client import Counter

_ALERTS = Counter("jobsphere_alerts", "Alerts raised, by their stable code.", ["code"])
_log = structlog.get_logger("alert")


def alert(code: str, **facts: Any) -> None:
    """Raise `code` (SCREAMING_SNAKE, stable); `facts` are ids, counts and codes, no text about a person."""
    _ALERTS.labels(code=code).inc()
    _log.error("alert", code=code, **facts)
