"""Statistics of every column and day, mergeable over any set of days.

A day's count, mean and M2 (sum of squared deviations) merge exactly: Chan, Golub, LeVeque (1979). So the statistics
of a fold's training dates are those of one pass over these dates, and no date has to be read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import groupby

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import Contract
from atft_pipeline.normalization.days import day_slices, matrix

N_BINS = 64

STATISTICS = ("count", "null_count", "mean", "m2", "min", "max", "histogram")


def bin_edges(valid_range: tuple[float, float], n_bins: int = N_BINS) -> NDArray[np.float64]:
    """Edges of the histogram's bins [n_bins + 1]: even steps of the cube root over the contract's range.

    Ranges must hold the rarest value (a return of -95% or +400%) while nearly all values lie near 0: even steps
    would put them into one bin. The cube root is monotone, keeps the sign and needs no parameter.
    """
    low, high = np.cbrt(valid_range)
    edges: NDArray[np.float64] = np.linspace(low, high, n_bins + 1) ** 3
    return edges


def date_moments(features: pl.LazyFrame | pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Statistics of each day and column; read month by month, so that memory never holds the whole history.

    Missing data: nulls are counted and take no part; mean, min and max of a day without a value are null.

    Args:
        features: Date, Code and the contract's columns, raw values.
        contract: gives the columns and the histogram's range; values outside it fall into the outer bins.

    Returns:
        column, Date, count, null_count (UInt32), mean, m2, min, max (Float64), histogram (List[UInt32], `bin_edges`);
        one row per (column, Date), columns in the contract's order.
    """
    rows = features.lazy()
    days = rows.select(pl.col("Date").unique().sort()).collect()["Date"].to_list()
    months = [tuple(part) for _, part in groupby(days, key=lambda day: (day.year, day.month))]
    within = [pl.col("Date").is_between(month[0], month[-1]) for month in months] or [pl.lit(value=True)]
    parts = [_moments(rows.filter(part).collect(), contract) for part in within]
    return pl.concat(parts).sort(pl.col("column").cast(pl.Enum(contract.names)), "Date")


def _moments(features: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The rows of `date_moments` of a table that is read."""
    frame = features.sort("Date", "Code")
    names, days = contract.names, frame["Date"].unique(maintain_order=True)
    values = matrix(frame, names)
    parts = {key: np.full((len(days), len(names)), np.nan) for key in ("mean", "m2", "min", "max")}
    count, rows = np.zeros((len(days), len(names)), dtype=np.uint32), np.zeros(len(days), dtype=np.uint32)
    for i, day in enumerate(day_slices(frame["Date"])):
        block = values[day]
        known = np.isfinite(block)
        n = known.sum(axis=0)
        mean = np.where(known, block, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan)
        deviation = np.where(known, block - mean, 0.0)
        count[i], rows[i] = n, len(block)
        parts["mean"][i], parts["m2"][i] = mean, (deviation * deviation).sum(axis=0)
        parts["min"][i] = np.where(n > 0, np.where(known, block, np.inf).min(axis=0), np.nan)
        parts["max"][i] = np.where(n > 0, np.where(known, block, -np.inf).max(axis=0), np.nan)
    histogram = _histograms(values, frame["Date"], contract)
    return pl.DataFrame(
        {
            "column": pl.Series(np.repeat(np.array(names, dtype=object), len(days)), dtype=pl.String),
            "Date": pl.concat([days] * len(names)),
            "count": count.T.ravel(),
            "null_count": (rows[:, None] - count).T.ravel(),
            **{key: pl.Series(part.T.ravel()).fill_nan(None) for key, part in parts.items()},
            "histogram": pl.Series(histogram).arr.to_list(),
        }
    )


def merge_moments(stats: pl.DataFrame, dates: Iterable[date]) -> pl.DataFrame:
    """Statistics of some dates together, equal to one pass over their rows.

    `mean = sum n_i mean_i / n`, `m2 = sum m2_i + sum n_i (mean_i - mean)^2`; counts and histograms add up. Only rows
    of these dates are read, in date order: other dates cannot change a bit of the result.

    Args:
        stats: rows of `date_moments`.
        dates: days to merge, in any order; twice counts once.

    Returns:
        column, count, null_count (UInt64), mean, m2, min, max, histogram (List[UInt64]); one row per column, in the
        order of `stats`.

    Raises:
        ContractError: no date is given, or one has no statistics.
    """
    rows = rows_of(stats, dates)
    n = pl.col("count").cast(pl.Float64)
    mean = (n * pl.col("mean")).sum() / n.sum()
    merged = rows.group_by("column", maintain_order=True).agg(
        pl.col("count", "null_count").cast(pl.UInt64).sum(),
        mean.fill_nan(None).alias("mean"),
        (pl.col("m2").sum() + (n * (pl.col("mean") - mean) ** 2).sum()).alias("m2"),
        pl.col("min").min(),
        pl.col("max").max(),
    )
    n_bins = rows["histogram"].list.len()[0]
    bins = rows["histogram"].list.to_array(n_bins).to_numpy().astype(np.uint64).reshape(merged.height, -1, n_bins)
    return merged.with_columns(pl.Series("histogram", bins.sum(axis=1)).arr.to_list())


def rows_of(stats: pl.DataFrame, dates: Iterable[date]) -> pl.DataFrame:
    """Statistics of these dates alone, by column in the order of `stats` and by date.

    Raises:
        ContractError: no date is given, or one has no statistics.
    """
    wanted = sorted(set(dates))
    chosen = stats.filter(pl.col("Date").is_in(wanted))
    missing = sorted(set(wanted) - set(chosen["Date"].to_list()))
    if missing or not wanted:
        raise ContractError(
            f"dates: {len(missing)} of {len(wanted)} have no statistics, the first {missing[0] if missing else '-'}.",
            remedy="Make features and normalization_stats for every date that is used.",
        )
    order = pl.DataFrame({"column": stats["column"].unique(maintain_order=True)}).with_row_index("_order")
    return chosen.join(order, on="column").sort("_order", "Date").drop("_order")


def _histograms(values: NDArray[np.float64], dates: pl.Series, contract: Contract) -> NDArray[np.uint32]:
    """Counts per column, day and bin [F * D, N_BINS], column by column."""
    day_of_row = dates.rle_id().to_numpy().astype(np.int64)
    n_days = int(day_of_row[-1]) + 1 if len(day_of_row) else 0
    out = np.zeros((len(contract.columns), n_days, N_BINS), dtype=np.uint32)
    for i, column in enumerate(contract.columns):
        own = np.ascontiguousarray(values[:, i])
        known = np.isfinite(own)
        inner = bin_edges(column.valid_range)[1:-1]
        cell = day_of_row[known] * N_BINS + np.searchsorted(inner, own[known], side="right")
        out[i] = np.bincount(cell, minlength=n_days * N_BINS).reshape(n_days, N_BINS)
    return out.reshape(-1, N_BINS)
