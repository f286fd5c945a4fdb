"""Keeps freed memory in the process: large arrays are made and dropped thousands of times in a training step.

glibc gives each large block back to the kernel when it is freed, and the kernel zeroes every page of the next one. In
the training step of the demo that took 19 of 20 seconds (docs/log.md). With the two limits raised, blocks are
reused. On a C library without `mallopt` nothing is changed: its allocator has no such limits.
"""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@cache
def keep_freed_memory() -> bool:
    """Raise the limits, once per process; tells whether the C library has them."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
