"""Time that passes only when somebody sleeps, for one actor or for several at once."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 19, 30, tzinfo=UTC)


class VirtualClock:
    """Sleeping passes at once. `elapsed` is the true time since the start; the clock itself can be set."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.set_by = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed + self.set_by)

    def sleep(self, seconds: float) -> None:
        if seconds > 0.0:
            self.sleeps.append(seconds)
            self.elapsed += seconds


class World:
    """Several actors on one clock, as processes are: whoever wakes first goes on, one at a time."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._due: list[tuple[float, int]] = []
        self._gates: list[threading.Semaphore] = []
        self._paused = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    def run(self, actors: Sequence[Callable[[ActorClock], None]]) -> None:
        """Start all actors now, and return when the last one has returned."""
        threads = [threading.Thread(target=self._act, args=(at, actor)) for at, actor in enumerate(actors)]
        self._gates = [threading.Semaphore(0) for _ in actors]
        self._due = [(self.elapsed, at) for at in range(len(actors))]
        for thread in threads:
            thread.start()
        while self._due:
            self.elapsed, at = heapq.heappop(self._due)
            self._gates[at].release()
            self._paused.acquire()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def pause(self, at: int, seconds: float) -> None:
        """Let the others act until that much time has passed."""
        heapq.heappush(self._due, (self.elapsed + seconds, at))
        self._paused.release()
        self._gates[at].acquire()

    def _act(self, at: int, actor: Callable[[ActorClock], None]) -> None:
        self._gates[at].acquire()
        try:
            actor(ActorClock(self, at))
        except BaseException as error:  # handed to `run`, which raises it in the test's thread
            self._errors.append(error)
        finally:
            self._paused.release()


class ActorClock:
    """The world's clock in the hands of one actor."""

    def __init__(self, world: World, at: int) -> None:
        self.world = world
        self._at = at

    def now(self) -> datetime:
        return START + timedelta(seconds=self.world.elapsed)

    def sleep(self, seconds: float) -> None:
        if seconds > 0.0:
            self.world.pause(self._at, seconds)
