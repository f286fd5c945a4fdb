"""Progress on the console: a live bar where there is a terminal, plain lines where there is none.

One reporter per process. Stages begin and end; inside a stage, library functions report steps (`fold 0, epoch 3`).
"""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

LINE_INTERVAL = 2.0
"""Seconds between two plain lines of one stage, at least."""


class Reporter(Protocol):
    """What stages and library functions tell about their progress."""

    def expect(self, stages: int) -> None:
        """How many stages the run has."""

    def begin(self, stage: str) -> None:
        """A stage starts."""

    def note(self, text: str) -> None:
        """Something worth a line of its own inside the present stage."""

    def step(self, label: str, done: int, total: int) -> None:
        """Inside the present stage: `done` of `total` steps of what `label` names."""

    def end(self, stage: str, summary: str) -> None:
        """A stage was committed."""

    def close(self) -> None:
        """The run is over."""


class PlainReporter:
    """Lines for logs: begin and end of each stage, and steps at intervals."""

    def __init__(self) -> None:
        self._stages, self._ended = 0, 0
        self._began, self._said = time.monotonic(), 0.0

    def expect(self, stages: int) -> None:
        """How many stages the run has."""
        self._stages = stages

    def begin(self, stage: str) -> None:
        """A stage starts."""
        self._began = self._said = time.monotonic()

    def note(self, text: str) -> None:
        """A line."""
        print(f"         {text}", flush=True)

    def step(self, label: str, done: int, total: int) -> None:
        """A line, unless the last one is younger than the interval."""
        now = time.monotonic()
        if now - self._said >= LINE_INTERVAL:
            self._said = now
            print(f"         {label}: {done}/{total}", flush=True)

    def end(self, stage: str, summary: str) -> None:
        """A line with the seconds that the stage took."""
        self._ended += 1
        count = f"{self._ended}/{self._stages}" if self._stages else f"{self._ended}"
        print(f"[{count:>5}] {stage:<22} {time.monotonic() - self._began:6.1f} s  {summary}", flush=True)

    def close(self) -> None:
        """Nothing is held."""


class LiveReporter:
    """A rich bar over the stages, with the present stage's steps below it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._run = self._progress.add_task("stages", total=None)
        self._inner: TaskID | None = None
        self._began = time.monotonic()
        self._progress.start()

    def expect(self, stages: int) -> None:
        """How many stages the run has."""
        self._progress.update(self._run, total=stages)

    def begin(self, stage: str) -> None:
        """A stage starts: its name stands beside the bar."""
        self._began = time.monotonic()
        self._progress.update(self._run, description=stage)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(f"  {text}", highlight=False)

    def step(self, label: str, done: int, total: int) -> None:
        """Moves the lower bar."""
        if self._inner is None:
            self._inner = self._progress.add_task(label, total=total)
        self._progress.update(self._inner, description=label, completed=done, total=total)

    def end(self, stage: str, summary: str) -> None:
        """A line above the bars."""
        if self._inner is not None:
            self._progress.remove_task(self._inner)
            self._inner = None
        seconds = time.monotonic() - self._began
        self._progress.console.print(f"[green]✓[/] {stage:<22} {seconds:6.1f} s  [dim]{summary}[/]", highlight=False)
        self._progress.advance(self._run)

    def close(self) -> None:
        """Takes the bars down."""
        self._progress.stop()


_present: Reporter | None = None


def reporter() -> Reporter:
    """The reporter of this process, made on first use."""
    global _present
    if _present is None:
        _present = LiveReporter(Console()) if sys.stdout.isatty() else PlainReporter()
    return _present
