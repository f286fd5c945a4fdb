"""Forward returns of each stock and session: what the model learns to rank."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage, window
from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.targets import compute_targets
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure

MONTHS_AHEAD = 2
"""Months that surely hold the 20 sessions after a month's last one."""


@stage(
    group="features",
    kinds={"polars"},
    code=("features/targets.py", "calendar.py"),
    settings=("targets.horizons",),
    partitioned=True,
    ins={"daily_bars": dg.AssetIn(partition_mapping=window(ahead=MONTHS_AHEAD))},
)
def targets(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    trading_calendar: pl.LazyFrame,
    daily_bars: pl.LazyFrame,
    universe: pl.LazyFrame,
) -> pl.DataFrame:
    """One row per stock in the universe and session: returns of the next 1, 5, 10, 20 sessions, two entries.

    `close_h` enters at the close of t, `next_open_h` at the open of t+1; null until the last session is known.
    """
    horizons = settings.load().targets.horizons
    start, end = structure().days_of(context.partition_keys)
    calendar = TradingCalendar.from_frame(trading_calendar.collect())
    return compute_targets(daily_bars, calendar, universe.collect(), horizons, start, end)


@dg.asset_check(asset=targets, blocking=True)
def every_realized_label_is_present(lake: LakeResource) -> dg.AssetCheckResult:
    """A session whose last label day has passed has labels: none is missing for a whole session."""
    shape = structure()
    frame = lake.open().scan("targets").collect()
    missing: dict[str, list[str]] = {}
    for horizon in shape.settings.targets.horizons:
        realized = shape.calendar.shift(shape.as_of, -horizon)
        days = frame.filter(pl.col("Date").is_between(shape.start, realized)).group_by("Date")
        empty = days.agg(known=pl.col(f"close_{horizon}").is_not_null().sum()).filter(pl.col("known") == 0)
        traded = lake.open().scan("daily_bars").filter(pl.col("C").is_not_null()).select("Date").unique().collect()
        empty = empty.join(traded, on="Date", how="semi")
        if empty.height:
            missing[f"close_{horizon}"] = [str(day) for day in empty["Date"].sort().to_list()[:10]]
    return dg.AssetCheckResult(passed=not missing, metadata={"rows": frame.height, "missing": missing})


ASSETS = [targets]
CHECKS = [every_realized_label_is_present]
