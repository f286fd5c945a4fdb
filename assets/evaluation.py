"""Out-of-fold evaluation: every model on the sessions that were held out from it, and the report."""

from __future__ import annotations

import dagster as dg
import polars as pl

from assets.stage import stage
from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.evaluate import Evaluation
from atft_pipeline.evaluation.fold_table import FoldTable
from atft_pipeline.training.trained_model import TrainedModel
from resources import display
from resources.io_manager import LakeResource
from resources.progress import reporter
from resources.settings import SettingsResource
from resources.structure import structure

VOLATILITY = "volatility_60"
"""Past volatility that the residual RankIC takes out."""


@stage(
    group="evaluation",
    kinds={"polars", "matplotlib"},
    settings=("evaluation", "targets", "training.monitor_horizon", "seed"),
    ins={name: dg.AssetIn(key=["fold_models", name], dagster_type=TrainedModel) for name in structure().fold_names},
)
def evaluation(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    arrow_cache: ArrowCache,
    graphs: pl.LazyFrame,
    features: pl.LazyFrame,
    targets: pl.LazyFrame,
    purged_folds: FoldTable,
    baselines: pl.DataFrame,
    **fold_models: TrainedModel,
) -> Evaluation:
    """Metrics per model, horizon, entry and fold with error bars; daily series, deciles, and the HTML report."""
    from atft_pipeline.evaluation.out_of_fold import evaluate_out_of_fold
    from atft_pipeline.evaluation.plots import cumulative_rank_ic, rank_ic_by_fold

    result = evaluate_out_of_fold(
        fold_models,
        baselines,
        purged_folds,
        arrow_cache,
        graphs.collect(),
        targets.collect(),
        features.select("Date", "Code", volatility=VOLATILITY).collect(),
        settings.load(),
        notes=structure().notes,
        on_progress=reporter().step,
    )
    facts = result.facts
    leading = (facts["models"], facts["headline_horizon"], facts["entry"])
    context.add_output_metadata(
        {
            **{name: round(value, 4) for name, value in result.headline().items()},
            "cumulative_rank_ic": display.picture(cumulative_rank_ic(result.daily, *leading)),
            "rank_ic_by_fold": display.picture(rank_ic_by_fold(result.summary, *leading)),
        }
    )
    return result


@dg.asset_check(asset=evaluation, blocking=True)
def no_model_is_scored_on_dates_it_trained_on(lake: LakeResource) -> dg.AssetCheckResult:
    """No scored session's label meets the label of a session that its model was trained or stopped on."""
    from atft_pipeline.evaluation.held_out import no_model_is_scored_on_dates_it_trained_on as offending_rows

    store = lake.open()
    table = store.read("purged_folds", None, FoldTable)
    scored = store.read("evaluation", None, Evaluation).daily.select("model", "fold", "Date").unique()
    rows = offending_rows(scored, table.train_dates, table.sessions, table.horizon)
    return dg.AssetCheckResult(passed=rows.is_empty(), metadata={"scored": scored.height, "offending": rows.height})


@dg.asset_check(asset=evaluation)
def the_network_beats_chance(lake: LakeResource) -> dg.AssetCheckResult:
    """The out-of-fold RankIC of the headline horizon is positive, the lower end of its 95% interval too."""
    figures = lake.open().read("evaluation", None, Evaluation).headline()
    passed = figures["rank_ic_low"] > 0
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=figures)


ASSETS = [evaluation]
CHECKS = [no_model_is_scored_on_dates_it_trained_on, the_network_beats_chance]
