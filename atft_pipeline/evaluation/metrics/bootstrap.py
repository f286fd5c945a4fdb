"""Stationary block bootstrap: intervals for statistics of dependent daily series, from an explicit seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atft_pipeline.errors import EvaluationError

MIN_BLOCK = 20

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From resampled series [B, T, ...] to the statistic of each [B]; NaN is left out by the statistic."""


def mean_block(horizon: int) -> int:
    """Mean block length in sessions: max(2h, 20), twice the overlap of h-day figures."""
    return max(2 * horizon, MIN_BLOCK)


@lru_cache(maxsize=8)  # series of one length and horizon, of all models and entries, ask for the same rows
def stationary_bootstrap(length: int, block: float, samples: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of resampled series (Politis and Romano 1994): blocks of geometric length on a circle.

    Args:
        length: T, sessions of the series.
        block: mean block length in sessions.
        samples: B, resamples.
        seed: of the generator; the same arguments give the same rows.

    Returns:
        [B, T] in 0 .. T-1.
    """
    if length < 1 or block < 1 or samples < 1:
        raise EvaluationError(
            f"length = {length}, block = {block}, samples = {samples}: each must be at least 1.",
            remedy="Give a series with at least one session.",
        )
    random = np.random.default_rng(seed)
    starts = random.integers(0, length, size=(samples, length))
    fresh = random.random((samples, length)) < 1.0 / block
    fresh[:, 0] = True
    time = np.arange(length)
    since = np.maximum.accumulate(np.where(fresh, time, 0), axis=1)
    rows = (np.take_along_axis(starts, since, axis=1) + time - since) % length
    rows.flags.writeable = False
    return rows


def bootstrap_bounds(
    series: ArrayLike,
    statistic: Statistic,
    *,
    horizon: int,
    samples: int,
    seed: int,
    quantiles: tuple[float, ...] = (0.025, 0.975),
) -> tuple[float, ...]:
    """Percentile bounds of a statistic under the stationary bootstrap with mean block max(2h, 20).

    Args:
        series: [T] or [T, M], rows are consecutive sessions; the M columns are resampled together.
        statistic: of the resampled series [B, T] or [B, T, M].
        horizon: h, sessions that one figure spans.
        samples: B.
        seed: of the generator.
        quantiles: of the resampled statistic.
    """
    x = np.asarray(series, dtype=np.float64)
    rows = stationary_bootstrap(len(x), mean_block(horizon), samples, seed)
    found = statistic(x[rows])
    found = found[np.isfinite(found)]
    if not len(found):
        return tuple(float("nan") for _ in quantiles)
    return tuple(float(value) for value in np.quantile(found, quantiles))


def resampled_mean(series: Array) -> Array:
    """Mean over the known values of each resample; [B, T] -> [B]."""
    known = np.isfinite(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, series, 0.0).sum(axis=1) / known.sum(axis=1))


def resampled_sharpe(series: Array) -> Array:
    """Ratio mean / std (ddof 1) over known values of each resample, not annualized; [B, T] -> [B]."""
    known = np.isfinite(series)
    count = known.sum(axis=1)
    mean = resampled_mean(series)
    squares = np.where(known, (series - mean[:, None]) ** 2, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(mean / np.sqrt(squares / (count - 1)))
