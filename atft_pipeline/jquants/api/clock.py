"""Time as the API's client sees it; tests put a clock of their own here, so that no test waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the client asks of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return that much later; at once for 0 and less."""


class SystemClock:
    """The machine's own clock. Limits span processes, so it is the wall clock, not a monotonic one."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return that much later; at once for 0 and less."""
        if seconds > 0.0:
            time.sleep(seconds)
