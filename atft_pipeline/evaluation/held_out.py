"""The blocking check that no score was given to a session its model had been trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from atft_pipeline.errors import EvaluationError


def no_model_is_scored_on_dates_it_trained_on(
    predictions: pl.DataFrame,
    train_dates: Mapping[str, Sequence[date]],
    sessions: Sequence[date],
    horizon: int,
) -> pl.DataFrame:
    """Rows (model, fold, Date) whose label meets a label the fold was trained on; empty if all is well.

    Args:
        predictions: predictions table.
        train_dates: by fold name, every date that touched a fitted number; `FoldTable.train_dates`.
        sessions: trading sessions, ascending, of which every date is one.
        horizon: h; the label of day t occupies [t, t + h].

    Raises:
        EvaluationError: a fold of the predictions has no entry in `train_dates`.
    """
    position = {day: i for i, day in enumerate(sessions)}
    scored = predictions.select("model", "fold", "Date").unique().sort("model", "fold", "Date")
    if unknown := sorted(set(scored["fold"]) - train_dates.keys()):
        raise EvaluationError(
            f"folds {unknown} of the predictions have no training dates (given: {sorted(train_dates)}).",
            remedy="Give the training dates of every fold.",
        )
    trained = {fold: {position[day] for day in train_dates[fold]} for fold in set(scored["fold"])}
    offends = [
        any(position[day] + k in trained[fold] for k in range(-horizon, horizon + 1))
        for fold, day in scored.select("fold", "Date").iter_rows()
    ]
    return scored.filter(pl.Series(offends, dtype=pl.Boolean))
