"""Work on a panel shared among the processor's cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def over_parts(work: Callable[[int, int], object], length: int, part: int) -> None:
    """Call `work(first, last)` on the parts of `range(length)`, on every core that this process may use.

    Each part writes what belongs to it and nothing else, so who does it first changes no bit.
    """
    starts = range(0, length, part)
    left = iter(starts)

    def take() -> None:
        for first in left:  # all workers draw from one iterator, whose steps are atomic
            work(first, min(first + part, length))

    workers = min(len(os.sched_getaffinity(0)), len(starts))
    if workers < 2:
        take()
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(take) for _ in range(workers)]:
            done.result()
