"""Two habits of the C libraries that cost more than the arithmetic of a training step; docs/log.md has the figures.

Memory: glibc gives each large block back to the kernel when it is freed, and the kernel zeroes every page of the next
one. With two limits raised, blocks are reused. Threads: OpenMP's threads wait for each other by spinning; on a machine
with other work, a thread then spins for one that is not running. They are told to sleep instead.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@cache
def tune_process() -> bool:
    """Set both, once per process and before torch is imported; tells whether the C library has the memory limits.

    Without `mallopt` (another C library than glibc) memory is left as it is: its allocator has no such limits. A value
    of OMP_WAIT_POLICY in the environment stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
