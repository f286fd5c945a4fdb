"""Normalization over the stocks of one day.

The cross-section is the whole day's universe, whether a stock has a target or not. Nothing is learnt here: a day's
values are a function of that day's rows alone, so no date can leak into another. Nulls stay null: the family's
validity mask is made from them, and only then does a null become 0.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from atft_pipeline.errors import ContractError
from atft_pipeline.features.contract import Contract
from atft_pipeline.normalization.days import day_slices, matrix

Array = NDArray[np.float64]

CLIP = 5.0
MIN_STOCKS = 20
"""A cross-section with fewer known values says too little: the column is null that day."""

MAD_TO_DEVIATION = 1.4826
WINSOR_SHARE = 0.01


def robust_z(values: Array, *, clip: float = CLIP, min_stocks: int = MIN_STOCKS) -> Array:
    """`(x - median) / (1.4826 MAD)` down each column, clipped at ±`clip`.

    Where MAD < 1e-12 max(1, |median|), half of the values are equal: the scale is then the standard deviation
    (ddof 0) of the values winsorized at 1% and 99%; where that is 0 too, the column is NaN.

    Args:
        values: one day's stocks and columns [N, F]; NaN or infinite = unknown.
        clip: largest magnitude of the result.
        min_stocks: a column with fewer known values is NaN.

    Returns:
        [N, F], NaN where the value is unknown.
    """
    x = np.where(np.isfinite(values), values, np.nan)
    n = np.isfinite(x).sum(axis=0)
    median = _median(x, n)
    mad = _median(np.abs(x - median), n)
    scale = MAD_TO_DEVIATION * mad
    for column in np.flatnonzero(mad < 1e-12 * np.maximum(1.0, np.abs(median))):
        known = np.sort(x[np.isfinite(x[:, column]), column])  # the order of stocks must not change the last bit
        low, high = np.quantile(known, [WINSOR_SHARE, 1.0 - WINSOR_SHARE])
        clipped = np.clip(known, low, high)
        scale[column] = clipped.std() if high > low else 0.0  # equal values may have a rounding deviation
    scale[(n < min_stocks) | ~(scale > 0)] = np.nan
    return np.clip((x - median) / scale, -clip, clip)


def rank_gauss(values: Array, *, min_stocks: int = MIN_STOCKS) -> Array:
    """`Phi^-1((rank - 1/2) / n)` down each column [N, F], ties at their average rank; all equal gives 0.

    Args:
        values: one day's stocks and columns [N, F]; NaN or infinite = unknown.
        min_stocks: a column with fewer known values is NaN.

    Returns:
        [N, F], NaN where the value is unknown.
    """
    known = np.isfinite(values)
    n = known.sum(axis=0)
    share = (_average_rank(np.where(known, values, np.nan)) - 0.5) / np.maximum(n, 1)
    return np.where(known & (n >= min_stocks), ndtri(share), np.nan)


def normalize_cross_section(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Each day's cross-section, column by column as the contract says; `time_series` columns stay raw.

    `robust_z` and `rank_gauss` over the day's rows, `flag` as it is (0/1). Missing data: nulls stay null; with fewer
    than 20 known values a column is null that day. As of: row t uses rows of t only.

    Args:
        frame: Date, Code and the contract's columns.
        contract: says each column's kind.

    Returns:
        The same columns, Float32, sorted by (Date, Code).

    Raises:
        ContractError: a column of the contract is not in the frame.
    """
    missing = [name for name in contract.names if name not in frame.columns]
    if missing:
        raise ContractError(
            f"frame lacks {len(missing)} of {len(contract.names)} columns: {', '.join(missing[:5])}.",
            remedy="Select the contract of the families that the frame holds.",
        )
    frame = frame.select("Date", "Code", *contract.names).sort("Date", "Code")
    done: dict[str, pl.Series] = {}
    for kind, transform in (("robust_z", robust_z), ("rank_gauss", rank_gauss)):
        names = [column.name for column in contract.columns if column.kind == kind]
        if not names:
            continue
        values = matrix(frame, names)
        for day in day_slices(frame["Date"]):
            values[day] = transform(values[day])
        stored = values.astype(np.float32, order="F")
        done |= {name: pl.Series(stored[:, i]) for i, name in enumerate(names)}
    return frame.with_columns(**done).with_columns(pl.col(name).fill_nan(None) for name in done)


def _average_rank(x: Array) -> Array:
    """Rank down each column [N, F], from 1, ties at the mean of their ranks; a NaN is above all."""
    if not x.size:
        return x
    rows = np.ascontiguousarray(x.T)
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    starts = np.ones(rows.shape, dtype=np.bool_)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    place = np.arange(rows.shape[1])
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    ends = np.roll(starts, -1, axis=1)
    ends[:, -1] = True
    last = np.minimum.accumulate(np.where(ends, place, rows.shape[1])[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty_like(rows)
    np.put_along_axis(ranks, order, (first + last) / 2.0 + 1.0, axis=1)
    return ranks.T


def _median(x: Array, n: NDArray[np.int64]) -> Array:
    """Median down each column of the `n` known values; NaN for none."""
    if not len(x):
        return np.full(x.shape[1], np.nan)
    ordered = np.sort(x, axis=0)  # NaN goes last
    last = np.maximum(n - 1, 0)
    middle = (np.take_along_axis(ordered, (at // 2)[None], axis=0)[0] for at in (last, last + 1))
    low, high = middle
    return np.asarray((low + high) / 2)
