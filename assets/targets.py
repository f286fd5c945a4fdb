"""Forward returns of each stock and session: what the model learns to rank."""

from __future__ import annotations

from datetime import date

import dagster as dg
import polars as pl

from assets.stage import stage, window
from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.targets import compute_targets
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure


@stage(
    group="features",
    kinds={"polars"},
    settings=("targets.horizons",),
    partitioned=True,
    ins={"daily_bars": dg.AssetIn(partition_mapping=window(ahead=structure().label_months))},
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
    return compute_targets(daily_bars, calendar, universe.filter("in_universe").collect(), horizons, start, end)


@dg.asset_check(asset=targets, blocking=True)
def every_realized_label_is_present(lake: LakeResource) -> dg.AssetCheckResult:
    """A session has labels as soon as a later session of the interval traded: none is missing for a whole session."""
    shape, store = structure(), lake.open()
    frame = store.scan("targets").filter(pl.col("Date") >= shape.start).collect()
    traded = set(store.scan("daily_bars").filter(pl.col("C").is_not_null()).select("Date").unique().collect()["Date"])
    missing: dict[str, list[str]] = {}
    for horizon in shape.settings.targets.horizons:
        last = shape.calendar.shift(shape.as_of, -horizon)
        known = frame.group_by("Date").agg(labels=pl.col(f"close_{horizon}").count()).sort("Date")
        empty = known.filter((pl.col("labels") == 0) & (pl.col("Date") <= last))["Date"]
        late = [str(day) for day in empty if day in traded and _traded_within(day, horizon, traded)]
        if late:
            missing[f"close_{horizon}"] = late[:10]
    return dg.AssetCheckResult(passed=not missing, metadata={"rows": frame.height, "missing": missing})


def _traded_within(day: date, horizon: int, traded: set[date]) -> bool:
    """Whether any session of (day, day + horizon] has a price: an outage of the exchange has none."""
    calendar = structure().calendar
    return any(calendar.shift(day, k) in traded for k in range(1, horizon + 1))


ASSETS = [targets]
CHECKS = [every_realized_label_is_present]
