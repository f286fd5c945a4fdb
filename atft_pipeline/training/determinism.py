"""Threads, algorithms and the global random state of a computation whose bits are to be the same next time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from atft_pipeline.sections import DeviceSettings


@contextmanager
def reproducible(settings: DeviceSettings, device: torch.device, seed: int) -> Iterator[None]:
    """Fix the thread count, deterministic algorithms and the seed inside; put everything back afterwards.

    Bit identity is claimed for the same wheels, CPU type and thread count.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    # torch makes this module's class at run time, so its one attribute is reached by name
    memory, fill = torch.utils.deterministic, "fill_uninitialized_memory"
    filled = getattr(memory, fill)
    if device.type == "cuda":
        # cuBLAS reads this when its first handle is made; without it deterministic products are refused.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(settings.threads)
        torch.use_deterministic_algorithms(True)
        # Filling fresh memory with NaN catches reads of it, which are nobody's here, for a tenth of the time.
        setattr(memory, fill, False)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)
            setattr(memory, fill, filled)
