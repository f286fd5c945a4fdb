"""The ranking of the latest session by the champion: what a trader reads before the next open."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from assets.stage import stage, window
from atft_pipeline.cache import ArrowCache
from atft_pipeline.champion import Champion
from atft_pipeline.signals import rank_session
from resources import display
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import month_bounds, structure


@stage(
    group="signals",
    kinds={"pytorch", "polars"},
    settings=("training.monitor_horizon",),
    partitioned=True,
    append=True,
    ins={
        "graphs": dg.AssetIn(partition_mapping=window(back=1)),
    },
)
def daily_signals(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    champion_model: Champion,
    arrow_cache: ArrowCache,
    graphs: pl.LazyFrame,
    equities_master: pl.LazyFrame,
) -> dict[str, pl.DataFrame]:
    """One file per session, never changed afterwards: rank, scores per horizon, `scored_at`, last training label.

    Only the latest session is scored, and only by a champion: a session of the past would be one that it knows.
    """
    session, model = structure().as_of, champion_model.model
    if model is None or not any(first <= session <= last for first, last in map(month_bounds, context.partition_keys)):
        return {}
    predictions = model.predict(arrow_cache, graphs.collect(), [session], on_progress=reporter().step)
    signals = rank_session(
        predictions,
        equities_master.filter(pl.col("Date") == session).collect(),
        model,
        scored_at=datetime.now(UTC),
        headline=settings.load().training.monitor_horizon,
    )
    context.add_output_metadata(
        {"session": str(session), "stocks": signals.height, "top": display.table(signals.head(10))}
    )
    return {str(session): signals}


@dg.asset_check(asset=daily_signals)
def every_stock_of_the_session_is_ranked(lake: LakeResource) -> dg.AssetCheckResult:
    """The latest file ranks each stock of that session's universe once, by finite scores."""
    store, session = lake.open(), structure().as_of
    ranked = store.scan("daily_signals").filter(pl.col("Date") == session).collect()
    members = store.scan("universe").filter((pl.col("Date") == session) & pl.col("in_universe")).collect()
    missing = members.join(ranked, on="Code", how="anti").height
    sound = ranked["rank"].is_unique().all() and ranked["score"].is_finite().all()
    return dg.AssetCheckResult(
        passed=bool(sound) and missing == 0 and ranked.height > 0,
        metadata={"session": str(session), "ranked": ranked.height, "missing": missing},
    )


ASSETS = [daily_signals]
CHECKS = [every_stock_of_the_session_is_ranked]
