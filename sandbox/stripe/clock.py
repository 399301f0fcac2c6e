"""The virtual clock: real time, and whatever it was told to skip."""

import time

from .store import Store


class Clock:
    """Seconds since the epoch. Runs at real speed from an offset that only ever grows (until a reset)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offset_s: float = store.setting("clock_offset_s", 0.0)
        self._playing_at: float | None = None

    @property
    def offset_s(self) -> float:
        return self._offset_s

    def now(self) -> float:
        """While a timer is played, the moment it was due."""
        return self._playing_at if self._playing_at is not None else time.time() + self._offset_s

    def skip(self, seconds: float) -> None:
        self._set(self._offset_s + seconds)

    def reset(self) -> None:
        self._set(0.0)

    def stand_at(self, moment: float | None) -> None:
        """Pretend that it is `moment`; None: run again."""
        self._playing_at = moment

    def _set(self, offset_s: float) -> None:
        self._offset_s = offset_s
        self._store.set_setting("clock_offset_s", offset_s)
