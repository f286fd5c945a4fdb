"""The day store that training reads: cross-section columns normalized, time-series columns raw, one Arrow file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.cache import ArrowCache, write_cache
from atft_pipeline.cache.spread import columns_without_spread
from atft_pipeline.calendar import TradingCalendar
from resources import display
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure

if TYPE_CHECKING:
    from atft_pipeline.evaluation.leak_scan import Strength, Suspect

SHOWN = 10
"""Columns in the table of those that tell most of the forward returns."""


@stage(
    group="cache",
    kinds={"arrow"},
    settings=("targets",),
)
def arrow_cache(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    lake: LakeResource,
    trading_calendar: pl.LazyFrame,
    features: pl.LazyFrame,
    targets: pl.LazyFrame,
) -> ArrowCache:
    """Features, masks and targets of every session, day-major float32 with a constant stride, memory-mapped."""
    shape = structure()
    calendar = TradingCalendar.from_frame(trading_calendar.collect())
    path = lake.open().scratch("arrow_cache") / "cache.arrow"
    write_cache(
        path,
        features,
        targets,
        calendar.between(shape.data_start, shape.as_of),
        shape.contract,
        settings.load(),
        on_progress=reporter().step,
    )
    cache = ArrowCache.open(path)
    context.add_output_metadata(
        {
            "sessions": len(cache.days),
            "codes": len(cache.codes),
            "features": len(cache.feature_names),
            "bytes_per_session": cache.layout.stride,
        }
    )
    return cache


@dg.asset_check(asset=arrow_cache, blocking=True)
def no_stock_column_lost_its_spread(lake: LakeResource) -> dg.AssetCheckResult:
    """Read back as stored: every column over stocks or sectors differs between the stocks of its sessions."""
    shape = structure()
    cache = lake.open().read("arrow_cache", None, ArrowCache)
    dead = columns_without_spread(cache, shape.contract, [day for day in cache.days if day >= shape.start])
    return dg.AssetCheckResult(
        passed=not dead, description=", ".join(dead) or None, metadata={"share_of_sessions_without_spread": dead}
    )


@dg.asset_check(asset=arrow_cache, blocking=True)
def no_column_knows_the_future(lake: LakeResource, settings: SettingsResource) -> dg.AssetCheckResult:
    """No input agrees with a forward return more than a signal can; what is merely odd warns."""
    from atft_pipeline.evaluation.leak_scan import scan_for_leaks

    shape = structure()
    cache = lake.open().read("arrow_cache", None, ArrowCache)
    days = [day for day in cache.days if day >= shape.start]
    scan = scan_for_leaks(cache, shape.contract, days, settings.load().evaluation.max_column_rank_ic)
    suspects = scan.suspects
    return dg.AssetCheckResult(
        passed=not suspects,
        severity=dg.AssetCheckSeverity.ERROR if any(s.blocking for s in suspects) else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{s.column}, {s.target}: {s.what} {s.value:.3f}" for s in suspects[:5]) or None,
        metadata={
            "suspects": len(suspects),
            **({"what": _rows(suspects)} if suspects else {}),
            "strongest_columns": _rows(scan.strengths[:SHOWN]),
        },
    )


def _rows(found: Sequence[Suspect | Strength]) -> dg.MarkdownMetadataValue:
    return display.table(pl.DataFrame([asdict(each) for each in found]))


ASSETS = [arrow_cache]
CHECKS = [no_stock_column_lost_its_spread, no_column_knows_the_future]
