"""Small tables with known answers, shared by the tests of this folder."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.settings import Settings, load_settings

FIRST = date(2024, 1, 1)


def days(count: int) -> list[date]:
    """`count` consecutive days; sessions as far as evaluation is concerned."""
    return [FIRST + timedelta(days=i) for i in range(count)]


def settings(**overrides: object) -> Settings:
    """The demo preset with one horizon and few resamples; `__` stands for the dot of a key."""
    small = {"targets.horizons": [1, 5], "evaluation.bootstrap_samples": 100}
    return load_settings("demo", small | {k.replace("__", "."): v for k, v in overrides.items()}, environ={})


def long_table(values: NDArray[np.float64], name: str) -> pl.DataFrame:
    """[D, C] as rows of Date, Code and `name`."""
    n_days, n_codes = values.shape
    codes = [f"{1300 + i}0" for i in range(n_codes)]
    keys = {"Date": [day for day in days(n_days) for _ in codes], "Code": codes * n_days}
    return pl.DataFrame({**keys, name: values.ravel()})


def targets_table(returns: dict[int, NDArray[np.float64]], flagged: NDArray[np.bool_] | None = None) -> pl.DataFrame:
    """Targets with the same returns for both entries; `flagged` marks rows that left at a stale price."""
    first = next(iter(returns.values()))
    table = long_table(first, "unused").drop("unused")
    marks = np.zeros(first.shape, dtype=bool) if flagged is None else flagged
    for horizon, values in returns.items():
        table = table.with_columns(
            pl.Series(f"close_{horizon}", values.ravel()).fill_nan(None),
            pl.Series(f"next_open_{horizon}", values.ravel()).fill_nan(None),
            pl.Series(f"stale_exit_{horizon}", marks.ravel()),
            pl.Series(f"delisted_{horizon}", np.zeros(first.size, dtype=bool)),
        )
    return table


def predictions_table(
    scores: dict[str, NDArray[np.float64]], horizons: tuple[int, ...] = (1, 5), n_folds: int = 2
) -> pl.DataFrame:
    """Scores [D, C] by model as a predictions table, days cut into equal folds; NaN rows are left out."""
    parts = []
    for model, values in scores.items():
        fold = {day: f"fold_{i * n_folds // len(values)}" for i, day in enumerate(days(len(values)))}
        rows = long_table(values, "score").filter(pl.col("score").is_not_nan())
        rows = rows.with_columns(fold=pl.col("Date").replace_strict(fold, return_dtype=pl.String), model=pl.lit(model))
        parts += [rows.with_columns(horizon=pl.lit(h, dtype=pl.Int32)) for h in horizons]
    return pl.concat(parts).select("Date", "Code", "horizon", "score", "fold", "model")
