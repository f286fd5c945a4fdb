"""Which codes could be traded on each day, and why the others could not."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.completeness_result import expected_sessions, told
from assets.stage import stage, warm
from atft_pipeline.features.universe import build_universe
from atft_pipeline.jquants.completeness import bars_of_listed
from resources import display
from resources.io_manager import LakeResource
from resources.settings import SettingsResource
from resources.structure import structure


@stage(
    group="features",
    kinds={"polars"},
    settings=("universe",),
    partitioned=True,
    ins={"daily_bars": warm("daily_bars")},
)
def universe(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    trading_calendar: pl.LazyFrame,
    daily_bars: pl.LazyFrame,
    equities_master: pl.LazyFrame,
) -> pl.DataFrame:
    """One row per listed code and session: in the universe, or the reason why not; suspended and limit-locked flagged.

    Known the evening before.
    """
    tables = {
        "trading_calendar": trading_calendar,
        "daily_bars": daily_bars,
        "equities_master": equities_master,
    }
    shape = structure()
    frame = build_universe(
        tables,
        settings.load().universe,
        *shape.days_of(context.partition_keys),
        stretched_master=shape.source.stretched_master,
    )
    reasons = frame.filter(~pl.col("in_universe"))["reason"].value_counts(sort=True)
    context.add_output_metadata(
        {
            "median_stocks_per_session": float(
                frame.filter("in_universe").group_by("Date").len()["len"].median() or 0  # type: ignore[arg-type]
            ),
            "exclusions": display.table(reasons.rename({"count": "stock-days"})),
            "flags": display.table(_flagged(frame)),
            "stretched_master": shape.source.stretched_master,
        }
    )
    return frame


def _flagged(frame: pl.DataFrame) -> pl.DataFrame:
    """Flagged stock-days, how many of them are in the universe, and the most of one session: an outage would show."""
    per_session = frame.group_by("Date").agg(pl.col("suspended", "limit_locked").sum())
    return pl.DataFrame(
        {
            "flag": name,
            "stock-days": frame[name].sum(),
            "in the universe": frame.filter("in_universe")[name].sum(),
            "most of a session": per_session[name].max(),
        }
        for name in ("suspended", "limit_locked")
    )


@dg.asset_check(asset=universe, blocking=True)
def every_session_has_stocks(lake: LakeResource) -> dg.AssetCheckResult:
    """From the end of the warm-up on, each session has at least 20 stocks: fewer have no cross-section."""
    frame = lake.open().scan("universe").filter(pl.col("Date") >= structure().start)
    counts = frame.group_by("Date").agg(stocks=pl.col("in_universe").sum()).collect()
    thin = counts.filter(pl.col("stocks") < 20)
    return dg.AssetCheckResult(
        passed=thin.is_empty() and counts.height > 0,
        metadata={"sessions": counts.height, "thin_sessions": [str(day) for day in thin["Date"].sort().to_list()[:20]]},
    )


@dg.asset_check(asset=universe, blocking=True)
def every_listed_code_has_its_bar(lake: LakeResource) -> dg.AssetCheckResult:
    """On each session at most 2% of the listed codes have no row of bars; a stretched master says nothing of it."""
    shape, store = structure(), lake.open()
    if shape.source.stretched_master:
        return dg.AssetCheckResult(passed=True, metadata={"stretched_master": True})
    lookback = shape.settings.source.api.lookback_days
    return told(bars_of_listed(store.scan("daily_bars"), store.scan("universe"), expected_sessions(shape), lookback))


ASSETS = [universe]
CHECKS = [every_session_has_stocks, every_listed_code_has_its_bar]
