"""Why somebody did something, in their own words: kept with what they did."""

from typing import Final

from domain.kernel.errors import InvalidInput

REASON_CHARACTERS_MAX: Final = 500


def checked_reason(reason: str | None) -> str | None:
    """Without the spaces around it; None where nothing is said. Raises InvalidInput when it is too long."""
    reason = None if reason is None else reason.strip() or None
    if reason is not None and len(reason) > REASON_CHARACTERS_MAX:
        raise InvalidInput(f"A reason has at most {REASON_CHARACTERS_MAX} characters.", path=["reason"])
    return reason


def needed_reason(reason: str | None) -> str:
    """As above, where something must be said. Raises InvalidInput."""
    reason = None if reason is None else reason.strip()
    if not reason or len(reason) > REASON_CHARACTERS_MAX:
        raise InvalidInput(f"A reason has 1 to {REASON_CHARACTERS_MAX} characters.", path=["reason"])
    return reason
