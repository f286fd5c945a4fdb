"""A clock that pretends to stand at another time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class PretendedClock:
    """Begins at a given moment and goes on in real time.

    Args:
        start: the moment that it pretends to be made at; aware.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._made = time.monotonic()

    def now(self) -> datetime:
        """The pretended moment, aware, in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._made)

    def sleep(self, seconds: float) -> None:
        """Return that much later; at once for 0 and less."""
        if seconds > 0.0:
            time.sleep(seconds)
