"""Baselines on the same folds and the same inputs: what the network has to beat."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.baselines.run import run_baselines
from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.normalization.affine import fit_affines
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure


@stage(
    group="models",
    kinds={"numpy"},
    settings=("evaluation.ridge_alpha",),
)
def baselines(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    arrow_cache: ArrowCache,
    normalization_stats: pl.LazyFrame,
    purged_folds: FoldTable,
) -> pl.DataFrame:
    """Out-of-fold scores of ridge, reversal and minus volatility: Date, Code, horizon, score, fold, model."""
    affines = fit_affines(normalization_stats.collect(), purged_folds.train_dates, structure().contract)
    frame = run_baselines(arrow_cache, purged_folds, affines, settings.load(), reporter().step)
    context.add_output_metadata({"models": frame["model"].unique().sort().to_list()})
    return frame


@dg.asset_check(asset=baselines, blocking=True)
def every_test_session_is_scored(lake: LakeResource) -> dg.AssetCheckResult:
    """Each model scores each test session of each fold, and no other."""
    store = lake.open()
    table = store.read("purged_folds", None, FoldTable)
    wanted = {day for fold in table.folds for day in fold.test} | set(table.holdout)
    frame = store.scan("baselines").collect()
    scored = {model: set(part["Date"].unique()) for (model,), part in frame.group_by("model")}
    wrong = {str(model): len(days ^ wanted) for model, days in scored.items() if days != wanted}
    return dg.AssetCheckResult(passed=not wrong and bool(scored), metadata={"sessions": len(wanted), "differ": wrong})


ASSETS = [baselines]
CHECKS = [every_test_session_is_scored]
