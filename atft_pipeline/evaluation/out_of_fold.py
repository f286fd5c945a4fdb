"""Out of fold: every session is scored by a model that has not seen it, then judged beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from atft_pipeline.cache import ArrowCache
from atft_pipeline.evaluation.evaluate import Evaluation, evaluate
from atft_pipeline.evaluation.fold_table import HOLDOUT, FoldTable
from atft_pipeline.evaluation.report import ReportExtras, render_report
from atft_pipeline.settings import Settings
from atft_pipeline.training.trained_model import TrainedModel

KEYS = ("Date", "Code", "horizon")
SELECTION_DAYS = 10
"""Last test sessions of a fold on which the weights of variable selection are shown."""
Progress = Callable[[str, int, int], None]


def evaluate_out_of_fold(
    models: Mapping[str, TrainedModel],
    baselines: pl.DataFrame,
    folds: FoldTable,
    cache: ArrowCache,
    graphs: pl.DataFrame,
    targets: pl.DataFrame,
    volatility: pl.DataFrame,
    settings: Settings,
    *,
    notes: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> Evaluation:
    """Score the held-out sessions with the fold models and judge them beside the baselines; with the report.

    Args:
        models: by fold name.
        baselines: predictions table on the same sessions.
        folds: the fold table that the models were trained on.
        cache: inputs.
        graphs: the `graphs` table.
        targets: the `targets` table.
        volatility: Date, Code, volatility of the past 60 sessions.
        settings: sections `evaluation`, `targets`, `training`, `model`, and the seed.
        notes: what a reader must know about the source.
        on_progress: told about each fold, then about each model and horizon.
    """
    name = settings.model.name
    predictions = predict_out_of_fold(models, folds, cache, graphs, name, on_progress)
    together = pl.concat([predictions, baselines.select(predictions.columns)])
    result = evaluate(together, targets, volatility, settings, on_progress)
    extras = ReportExtras(
        fold_table=folds,
        history=pl.concat(
            [model.training_curve().with_columns(fold=pl.lit(fold)) for fold, model in sorted(models.items())]
        ),
        selection=pl.concat(
            [models[fold.name].selection_weights(cache, graphs, fold.test[-SELECTION_DAYS:]) for fold in folds.folds]
        ),
        notes=tuple(notes),
    )
    return result.with_report(render_report(result, extras))


def predict_out_of_fold(
    models: Mapping[str, TrainedModel],
    folds: FoldTable,
    cache: ArrowCache,
    graphs: pl.DataFrame,
    name: str,
    on_progress: Progress | None = None,
) -> pl.DataFrame:
    """Scores of each fold's test sessions by its own model, and of the holdout by the mean of all fold models.

    The holdout lies behind a purge from every fold, so each fold model may score it; the mean is over models.

    Args:
        models: by fold name.
        folds: the fold table that the models were trained on.
        cache: inputs.
        graphs: the `graphs` table.
        name: what the column `model` says.
        on_progress: told after each fold.

    Returns:
        Predictions table: Date, Code, horizon, score, fold, model; sorted by horizon, Date, Code.
    """
    parts = []
    for done, fold in enumerate(folds.folds, start=1):
        scores = models[fold.name].predict(cache, graphs, fold.test)
        parts.append(scores.with_columns(fold=pl.lit(fold.name)))
        if on_progress:
            on_progress("predict", done, len(folds.folds))
    if folds.holdout:
        scores = pl.concat(model.predict(cache, graphs, folds.holdout) for _, model in sorted(models.items()))
        mean = scores.sort(*KEYS).group_by(KEYS, maintain_order=True).agg(pl.col("score").mean())
        parts.append(mean.with_columns(fold=pl.lit(HOLDOUT)))
    frame = pl.concat(part.select(*KEYS, "score", "fold") for part in parts)
    return frame.with_columns(model=pl.lit(name)).sort("horizon", "Date", "Code")
