"""The plots of the report and of asset metadata, each a function from tables to a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from atft_pipeline.drawing import (
    MUTED,
    ROLES,
    SERIES,
    colour,
    date_axis,
    day_numbers,
    legend,
    new_figure,
    style,
)
from atft_pipeline.evaluation.fold_table import HOLDOUT, FoldTable
from atft_pipeline.evaluation.summary import OUT_OF_FOLD


def fold_timeline(table: FoldTable) -> Figure:
    """When each fold trains, validates and tests; gaps are purge and embargo."""
    rows = [(f.name, {"train": f.train, "validation": f.validation, "test": f.test}) for f in table.folds]
    if table.holdout:
        rows.append((HOLDOUT, {"train": table.before_holdout, "holdout": table.holdout}))
    place = {day: i for i, day in enumerate(table.sessions)}
    with style():
        figure, axes = new_figure(height=0.55 + 0.34 * len(rows))
        for row, (_, roles) in enumerate(rows):
            for role, days in roles.items():
                ends = [day_numbers([run[0], run[-1]]) for run in _runs(days, place)]
                spans = [(first, last - first + 1.0) for first, last in ends]
                axes.broken_barh(spans, (row - 0.32, 0.64), facecolors=ROLES[role], linewidth=0)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        date_axis(axes)
        for role in [role for role in ROLES if role != HOLDOUT or table.holdout]:
            axes.plot([], [], color=ROLES[role], linewidth=7, solid_capstyle="butt", label=role)
        legend(axes, 4)
    return figure


def cumulative_rank_ic(daily: pl.DataFrame, models: Sequence[str], horizon: int, entry: str) -> Figure:
    """Running sum of the daily RankIC over the out-of-fold sessions; a steady slope is a steady signal."""
    with style():
        figure, axes = new_figure(height=2.9)
        for number, model in enumerate(models):
            rows = _headline(daily, horizon, entry).filter((pl.col("model") == model) & (pl.col("fold") != HOLDOUT))
            days, daily_ic = rows.sort("Date").select("Date", pl.col("rank_ic").fill_null(0.0))
            width = 2.0 if number == 0 else 1.3
            axes.plot(day_numbers(days.to_list()), daily_ic.cum_sum(), color=colour(number), lw=width, label=model)
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
        axes.set_ylabel("cumulative RankIC")
        date_axis(axes)
        legend(axes, len(models))
    return figure


def decile_bars(deciles: pl.DataFrame, models: Sequence[str], horizon: int, entry: str) -> Figure:
    """Mean return of each score decile in basis points, every out-of-fold session with weight 1."""
    rows = deciles.filter((pl.col("horizon") == horizon) & (pl.col("entry") == entry) & (pl.col("fold") != HOLDOUT))
    with style():
        figure, axes = new_figure(height=2.7)
        width = 0.8 / max(len(models), 1)
        for number, model in enumerate(models):
            chosen = rows.filter((pl.col("model") == model) & pl.col("return").is_not_null()).sort("decile", "fold")
            for decile in chosen["decile"].unique().sort():
                group = chosen.filter(pl.col("decile") == decile)
                height = 1e4 * float(np.average(group["return"].to_numpy(), weights=group["days"].to_numpy()))
                left = decile - 0.4 + (number + 0.5) * width
                axes.bar(left, height, width * 0.92, color=colour(number), label=model if decile == 1 else None)
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
        axes.set_xticks(range(1, 11))
        axes.set_xlabel("score decile, 10 = highest")
        axes.set_ylabel("basis points")
        axes.grid(visible=False, axis="x")
        legend(axes, len(models))
    return figure


def rank_ic_by_fold(summary: pl.DataFrame, models: Sequence[str], horizon: int, entry: str) -> Figure:
    """RankIC of each fold with its 95% bootstrap interval."""
    rows = _headline(summary, horizon, entry).filter(pl.col("fold") != OUT_OF_FOLD)
    folds = rows["fold"].unique().sort().to_list()
    with style():
        figure, axes = new_figure(height=2.7)
        for number, model in enumerate(models):
            chosen = rows.filter((pl.col("model") == model) & pl.col("rank_ic").is_not_null()).sort("fold")
            x = np.array([folds.index(fold) for fold in chosen["fold"]]) + (number - (len(models) - 1) / 2) * 0.14
            middle, low, high = (chosen[name].to_numpy() for name in ("rank_ic", "rank_ic_low", "rank_ic_high"))
            axes.vlines(x, low, high, color=colour(number), linewidth=1.6, alpha=0.55)
            axes.plot(x, middle, "o", color=colour(number), markersize=5.5, markeredgewidth=0, label=model)
        axes.axhline(0.0, color=MUTED, linewidth=0.8)
        axes.set_xticks(range(len(folds)), folds)
        axes.set_xlim(-0.5, len(folds) - 0.5)
        axes.set_ylabel("RankIC, 95% interval")
        axes.grid(visible=False, axis="x")
        legend(axes, len(models))
    return figure


def training_curves(history: pl.DataFrame) -> Figure:
    """Loss by epoch, and beside it the validation RankIC where there was validation; one line per fold.

    Columns fold, epoch, train_loss, validation_rank_ic.
    """
    panels = {"train_loss": "training loss", "validation_rank_ic": "validation RankIC"}
    shown = [column for column in panels if history[column].is_not_null().any()]
    with style():
        figure = Figure(figsize=(8.6, 2.7), layout="constrained")
        grid = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, column in zip(grid, shown, strict=True):
            for number, fold in enumerate(history["fold"].unique().sort()):
                rows = history.filter(pl.col("fold") == fold).sort("epoch")
                axes.plot(rows["epoch"], rows[column], color=colour(number), lw=1.6, marker="o", ms=3, label=fold)
            axes.set_xlabel("epoch")
            axes.set_ylabel(panels[column])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend(grid[0], 3)
    return figure


def degree_bars(histogram: Sequence[int]) -> Figure:
    """How many neighbours a stock has: share of (graph, stock) by degree; the bar at 0 is isolated."""
    shares = np.array(histogram, dtype=np.float64) / max(1, sum(histogram))
    with style():
        figure, axes = new_figure(height=2.4)
        axes.bar(np.arange(len(shares)), shares, color=SERIES[0], width=0.8)
        axes.set_xlabel("neighbours")
        axes.set_ylabel("share of stocks")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
    return figure


def selection_bars(selection: pl.DataFrame) -> Figure:
    """Mean weight that variable selection gives each feature family; columns family, weight."""
    rows = selection.group_by("family").agg(pl.col("weight").mean()).sort("weight", "family")
    with style():
        figure, axes = new_figure(height=0.6 + 0.28 * len(rows))
        axes.barh(rows["family"].to_list(), rows["weight"].to_numpy(), color=SERIES[0], height=0.62)
        axes.axvline(1.0 / max(len(rows), 1), color=MUTED, linewidth=0.8)
        axes.set_xlabel("mean weight; the line is an equal share")
        axes.grid(visible=False, axis="y")
    return figure


def _headline(frame: pl.DataFrame, horizon: int, entry: str) -> pl.DataFrame:
    return frame.filter((pl.col("horizon") == horizon) & (pl.col("entry") == entry) & (pl.col("flagged") == "included"))


def _runs(days: Sequence[date], place: Mapping[date, int]) -> list[list[date]]:
    """Days cut wherever a session is missing between two of them."""
    runs: list[list[date]] = []
    for day in days:
        if runs and place[day] == place[runs[-1][-1]] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs
