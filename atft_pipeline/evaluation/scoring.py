"""Daily figures of every model: predictions joined with what happened, one row per session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError
from atft_pipeline.evaluation.metrics import information_coefficient, is_constant, rank_ic, residual_rank_ic, scale
from atft_pipeline.evaluation.panel import dense
from atft_pipeline.evaluation.portfolio import decile_returns, long_short_weights, tranche_returns
from atft_pipeline.sections import EvaluationSettings
from atft_pipeline.settings import Settings

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

ENTRIES = ("next_open", "close")
"""Prices at which a position can be entered; the first can be traded."""

FLAGGED = ("included", "excluded")
"""Rows that left at a stale price or were delisted: part of the figures, or taken out."""

MIN_NAMES = 20
"""A day with fewer stocks has no cross-section."""

IDENTITY = ("model", "horizon", "entry", "flagged", "fold", "Date")
FIGURES = ("ic", "rank_ic", "residual_rank_ic", "scale", "gross", "net", "turnover")


@dataclass(frozen=True)
class Outcomes:
    """What happened, as arrays [D, C] over consecutive sessions and ascending codes.

    Attributes:
        days: D sessions.
        codes: C codes.
        returns: by (horizon, entry), raw forward returns, NaN unknown.
        flags: by horizon, True where the exit price is stale or the stock was delisted.
        member: True where a stock was in the universe.
        volatility: past volatility, NaN unknown.
    """

    days: tuple[date, ...]
    codes: tuple[str, ...]
    returns: dict[tuple[int, str], Array]
    flags: dict[int, NDArray[np.bool_]]
    member: NDArray[np.bool_]
    volatility: Array

    @classmethod
    def build(
        cls, targets: pl.DataFrame, volatility: pl.DataFrame, horizons: Sequence[int], first: date, last: date
    ) -> Outcomes:
        """From the targets table and a table Date, Code, volatility, for the sessions in [first, last]."""
        rows = targets.filter(pl.col("Date").is_between(first, last)).with_columns(member=pl.lit(1.0))
        days = tuple(rows["Date"].unique().sort().to_list())
        codes = tuple(rows["Code"].unique().sort().to_list())
        flagged = {h: rows.with_columns(flag=pl.col(f"stale_exit_{h}") | pl.col(f"delisted_{h}")) for h in horizons}
        return cls(
            days,
            codes,
            {(h, entry): dense(rows, f"{entry}_{h}", days, codes) for h in horizons for entry in ENTRIES},
            {h: dense(frame, "flag", days, codes) == 1.0 for h, frame in flagged.items()},
            dense(rows, "member", days, codes) == 1.0,
            dense(volatility, "volatility", days, codes),
        )


def daily_metrics(
    predictions: pl.DataFrame,
    targets: pl.DataFrame,
    volatility: pl.DataFrame,
    settings: Settings,
    on_progress: Progress | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Figures of each session and mean returns of each score decile, by model, horizon, entry and flagged rows.

    Args:
        predictions: Date, Code, horizon, score, fold, model; one fold per (model, horizon, Date).
        targets: one row per (Date, Code) in the universe; `next_open_h`, `close_h`, `stale_exit_h`, `delisted_h`.
        volatility: Date, Code, volatility; past volatility, any unit, null unknown.
        settings: sections `evaluation` and `targets`.
        on_progress: told after each model and horizon.

    Returns:
        daily: IDENTITY, names, coverage (share of the universe with a score), constant, FIGURES; null = unknown.
            `gross` and `net` are h-day returns.
        deciles: model, horizon, entry, fold, decile (1 lowest scores), mean h-day return, flagged rows included.

    Raises:
        EvaluationError: no predictions, or one session scored under two folds.
    """
    if predictions.is_empty():
        raise EvaluationError("predictions has no rows.", remedy="Materialize the fold models or the baselines first.")
    first, last = predictions.select(pl.col("Date").min().alias("first"), pl.col("Date").max().alias("last")).row(0)
    horizons = sorted(predictions["horizon"].unique().to_list())
    outcomes = Outcomes.build(targets, volatility, horizons, first, last)
    pairs = [(model, h) for model in sorted(predictions["model"].unique().to_list()) for h in horizons]
    daily, deciles = [], []
    for done, (model, horizon) in enumerate(pairs, start=1):
        rows = predictions.filter((pl.col("model") == model) & (pl.col("horizon") == horizon))
        folds = _fold_of_each_day(rows, outcomes.days)
        score = dense(rows, "score", outcomes.days, outcomes.codes)
        for entry in ENTRIES:
            returns = outcomes.returns[horizon, entry]
            name = {"model": model, "horizon": horizon, "entry": entry}
            scores = {"included": score, "excluded": np.where(outcomes.flags[horizon], np.nan, score)}
            of_day = _day_figures(score, returns, outcomes, np.ones(len(score), dtype=np.bool_))
            for flagged in FLAGGED:
                if flagged == "excluded":
                    of_day = _judged_again(of_day, scores[flagged], returns, outcomes, horizon)
                figures = of_day | _book_figures(
                    scores[flagged], returns, of_day["names"], horizon, settings.evaluation
                )
                daily.append(_frame({**name, "flagged": flagged, "fold": folds, "Date": outcomes.days, **figures}))
            deciles.append(_decile_frame(name, folds, decile_returns(score, returns)))
        if on_progress:
            on_progress("score", done, len(pairs))
    table = pl.concat(daily).filter(pl.col("fold").is_not_null()).sort(IDENTITY)
    return table, pl.concat(deciles).sort("model", "horizon", "entry", "fold", "decile")


def _fold_of_each_day(rows: pl.DataFrame, days: Sequence[date]) -> list[str | None]:
    found = rows.select("Date", "fold").unique().sort("Date", "fold")
    fold = dict(found.iter_rows())
    if len(fold) < len(found):
        twice = found.filter(pl.col("Date").is_duplicated())["Date"][0]
        raise EvaluationError(
            f"{twice} is scored under more than one fold: {found.filter(pl.col('Date') == twice)['fold'].to_list()}.",
            remedy="Give each session the fold that held it out.",
        )
    return [fold.get(day) for day in days]


def _day_figures(score: Array, returns: Array, outcomes: Outcomes, days: NDArray[np.bool_]) -> dict[str, Array]:
    """Figures of the chosen days, each from that day's rows alone; NaN where too few have score and return."""
    score, returns, member, volatility = score[days], returns[days], outcomes.member[days], outcomes.volatility[days]
    names = (np.isfinite(score) & np.isfinite(returns)).sum(axis=1)
    figures = {
        "ic": information_coefficient(score, returns),
        "rank_ic": rank_ic(score, returns),
        "residual_rank_ic": residual_rank_ic(score, returns, volatility),
        "scale": scale(score, returns),
    }
    counts = {
        "names": names,
        "coverage": (np.isfinite(score) & member).sum(axis=1) / np.maximum(member.sum(axis=1), 1),
        "constant": is_constant(score),
    }
    return counts | {name: np.where(names >= MIN_NAMES, values, np.nan) for name, values in figures.items()}


def _judged_again(
    figures: dict[str, Array], score: Array, returns: Array, outcomes: Outcomes, horizon: int
) -> dict[str, Array]:
    """Figures without flagged rows: few days have one, and only those days are different."""
    days = np.asarray(outcomes.flags[horizon].any(axis=1))
    if not days.any():
        return figures
    again = {name: values.copy() for name, values in figures.items()}
    for name, values in _day_figures(score, returns, outcomes, days).items():
        again[name][days] = values
    return again


def _book_figures(
    score: Array, returns: Array, names: Array, horizon: int, settings: EvaluationSettings
) -> dict[str, Array]:
    """Figures of the tranche book, whose days hang together; NaN on a day with too few names."""
    book = tranche_returns(long_short_weights(score, settings.long_short_share), returns, horizon, settings.cost_bps)
    series = {"gross": book.gross, "net": book.net, "turnover": book.turnover}
    return {name: np.where(names >= MIN_NAMES, values, np.nan) for name, values in series.items()}


def _frame(columns: dict[str, object]) -> pl.DataFrame:
    types = {"model": pl.String, "horizon": pl.Int32, "entry": pl.String, "flagged": pl.String, "fold": pl.String}
    figures = pl.col(FIGURES).fill_nan(None)
    return pl.DataFrame(columns, schema_overrides={**types, "names": pl.Int64}).with_columns(figures)


def _decile_frame(name: dict[str, object], folds: list[str | None], means: Array) -> pl.DataFrame:
    """Mean over the days of each fold, every day with weight 1."""
    rows = []
    for fold in sorted({fold for fold in folds if fold is not None}):
        days = means[[f == fold for f in folds]]
        for decile, column in enumerate(days.T, start=1):
            known = column[np.isfinite(column)]
            rows.append(
                {**name, "fold": fold, "decile": decile, "days": len(known)}
                | {"return": float(known.mean()) if len(known) else None}
            )
    types = {"horizon": pl.Int32, "decile": pl.Int32, "days": pl.Int64, "return": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=types)
