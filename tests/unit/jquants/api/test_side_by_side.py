"""A few tasks at a time: all of them, or none after the first that failed."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from atft_pipeline.jquants.api.side_by_side import side_by_side


def test_every_task_runs_and_no_more_than_allowed_at_once() -> None:
    lock, under_way, most, done = threading.Lock(), 0, 0, []
    meet = threading.Barrier(3, timeout=10)

    def task(n: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if n < 3:
            meet.wait()  # three must be under way at once to get past
        with lock:
            under_way -= 1
            done.append(n)

    steps = list(side_by_side([lambda n=n: task(n) for n in range(9)], workers=3))  # type: ignore[misc]
    assert len(steps) == 9
    assert sorted(done) == list(range(9))
    assert most == 3


def test_after_a_failure_no_further_task_begins() -> None:
    begun: list[int] = []

    def task(n: int) -> None:
        begun.append(n)
        if n == 2:
            raise ValueError(f"task {n}")

    with pytest.raises(ValueError, match="task 2"):
        list(side_by_side([lambda n=n: task(n) for n in range(100)], workers=1))  # type: ignore[misc]
    assert begun == [0, 1, 2]


def test_a_caller_that_leaves_is_not_held_up() -> None:
    """A worker in the middle of a long wait is a daemon: nobody waits for it."""
    release = threading.Event()
    steps = side_by_side([lambda: None, release.wait], workers=1)  # type: ignore[list-item]
    next(steps)
    assert isinstance(steps, Generator)
    steps.close()
    waiting = [thread for thread in threading.enumerate() if thread.name == "jquants"]
    assert all(thread.daemon for thread in waiting)
    release.set()
