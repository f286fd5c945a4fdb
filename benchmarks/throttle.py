"""How much of an account's limit is used, and never more: 10,000 requests of each plan on a clock of its own.

`make bench-ingest` prints it first; it takes seconds, because nobody waits.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from atft_pipeline.jquants.api.plans import PLANS
from atft_pipeline.jquants.api.throttle import Throttle

REQUESTS = 10_000
WINDOW = 60.0


class SimulatedClock:
    """Sleeping passes at once."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        """The simulated moment."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.elapsed += max(seconds, 0.0)


def measure_throttle() -> None:
    """Most requests in any 60 seconds beside the plan's number, and the share of it that is used."""
    print(f"{'plan':<22}{'a minute':>9}{'most in 60 s':>14}{'used':>7}")
    for name, plan in PLANS.items():
        clock = SimulatedClock()
        with tempfile.TemporaryDirectory() as folder:
            throttle = Throttle(Path(folder), name, plan.per_minute, clock)
            sent = np.empty(REQUESTS)
            for i in range(REQUESTS):
                throttle.wait()
                sent[i] = clock.elapsed
        most = int((np.searchsorted(sent, sent + WINDOW, side="right") - np.arange(REQUESTS)).max())
        used = (REQUESTS - 1) / (sent[-1] - sent[0]) * WINDOW / plan.per_minute
        print(f"{name:<22}{plan.per_minute:>9}{most:>14}{used:>7.1%}")


if __name__ == "__main__":
    measure_throttle()
