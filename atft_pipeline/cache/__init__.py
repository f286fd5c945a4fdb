"""The day store: features, masks and targets of every session in one memory-mapped Arrow file."""

from atft_pipeline.cache.store import ArrowCache
from atft_pipeline.cache.writer import write_cache

__all__ = ["ArrowCache", "write_cache"]
