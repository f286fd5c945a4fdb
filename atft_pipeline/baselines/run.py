"""All baselines on the folds of the network: fitted on its training dates, scored on its test dates and holdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.baselines.inputs import DayStore, FoldAffine, day_codes, day_inputs
from atft_pipeline.baselines.ridge import fit_ridge
from atft_pipeline.baselines.signals import signal_columns
from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.evaluate import RIDGE
from atft_pipeline.evaluation.fold_table import HOLDOUT, FoldTable
from atft_pipeline.predictions import SCHEMA
from atft_pipeline.settings import Settings


def run_baselines(
    cache: DayStore,
    fold_table: FoldTable,
    affines: Mapping[str, FoldAffine],
    settings: Settings,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> pl.DataFrame:
    """Predictions of ridge and of the plain signals for every fold's test dates and for the holdout.

    Ridge is fitted on the fold's training dates without its validation, which it has no use for, and for the holdout
    on every fold date; like the network it sees the day's universe through the fold's affine.

    Args:
        cache: inputs and targets; must hold every date of the table.
        fold_table: dates.
        affines: by fold name, and under "holdout" one fitted on `fold_table.before_holdout` if there is a holdout.
        settings: section `evaluation` (ridge_alpha).
        on_progress: told after each fold.

    Returns:
        Predictions table: Date, Code, horizon, score, fold, model; sorted by model, horizon, Date, Code.

    Raises:
        EvaluationError: a fold has no affine.
    """
    plan = [(fold.name, fold.train, fold.test) for fold in fold_table.folds]
    if fold_table.holdout:
        plan.append((HOLDOUT, fold_table.before_holdout, fold_table.holdout))
    if missing := [name for name, _, _ in plan if name not in affines]:
        raise EvaluationError(
            f"affines lacks {', '.join(missing)} (given: {', '.join(affines)}).",
            remedy="Fit one affine per fold on its training dates, and one on fold_table.before_holdout.",
        )
    signals = signal_columns(cache.feature_names)
    parts = []
    for done, (name, train, test) in enumerate(plan, start=1):
        coefficients = fit_ridge(cache, train, affines[name], settings.evaluation.ridge_alpha)
        for day in test:
            x = day_inputs(cache, day, affines[name])
            ridge = x @ coefficients.T
            scores = {RIDGE: ridge} | {
                signal: np.repeat(-x[:, [column]], len(cache.horizons), axis=1) for signal, column in signals.items()
            }
            parts += [_day_frame(cache, day, name, model, score) for model, score in scores.items()]
        if on_progress:
            on_progress("baselines", done, len(plan))
    return pl.concat(parts).sort("model", "horizon", "Date", "Code")


def _day_frame(cache: DayStore, day: date, fold: str, model: str, score: NDArray[np.float64]) -> pl.DataFrame:
    """Scores [N, K] of one day as rows."""
    codes: Sequence[str] = day_codes(cache, day)
    horizons: Sequence[int] = cache.horizons
    return pl.DataFrame(
        {
            "Date": day,
            "Code": np.repeat(np.array(codes, dtype=object), len(horizons)).tolist(),
            "horizon": list(horizons) * len(codes),
            "score": score.ravel(),
            "fold": fold,
            "model": model,
        },
        schema=SCHEMA,
    )
