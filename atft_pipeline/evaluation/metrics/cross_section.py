"""Metrics of one day's cross-section: how well scores order and size the returns of that day's stocks.

Every function takes arrays [..., N] with the stocks of a day on the last axis, so one day [N] and a panel [D, N] go
through the same code. A stock whose score or target is NaN takes no part on that day. A day without spread in scores
or targets has no correlation: NaN, to be counted apart, never 0.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Array: TypeAlias = NDArray[np.float64]

MIN_SPREAD = 1e-12
"""Deviation below this share of the largest absolute value is rounding, not spread."""

VOLATILITY_BINS = 20
MAD_TO_DEVIATION = 1.4826
WINSOR = 3.0


def information_coefficient(score: ArrayLike, target: ArrayLike) -> Array:
    """IC: Pearson correlation of score and target over the stocks of a day.

    Args:
        score: [..., N].
        target: [..., N], returns or normalized targets.

    Returns:
        [...]; NaN for a day without spread in either.
    """
    s, y = paired(score, target)
    return _correlation(s, y)


def rank_ic(score: ArrayLike, target: ArrayLike) -> Array:
    """RankIC: Spearman correlation, i.e. Pearson of average ranks; shapes and NaN rule as for the IC."""
    s, y = paired(score, target)
    return _correlation(ranks(s), ranks(y))


def residual_rank_ic(
    score: ArrayLike, target: ArrayLike, volatility: ArrayLike, n_bins: int = VOLATILITY_BINS
) -> Array:
    """RankIC that volatility cannot explain: both ranks are demeaned within the day's volatility bins first.

    A stock without volatility takes no part. A score that is a function of the bin alone gives NaN.

    Args:
        score: [..., N].
        target: [..., N].
        volatility: [..., N], past volatility of each stock, any unit.
        n_bins: bins of equal count.
    """
    v = np.asarray(volatility, dtype=np.float64)
    s, y = paired(np.where(np.isfinite(v), score, np.nan), target)
    bins = volatility_bins(np.where(np.isfinite(s), v, np.nan), n_bins)
    return _correlation(_demeaned_in_bins(ranks(s), bins, n_bins), _demeaned_in_bins(ranks(y), bins, n_bins))


def scale(score: ArrayLike, target: ArrayLike) -> Array:
    """SCALE of a day: std(score) / std(z(target)), z the robust z-score that the losses use; 0 for collapsed scores.

    Args:
        score: [..., N], in units of the normalized target.
        target: [..., N], returns.
    """
    s, y = paired(score, target)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _deviation(s) / _deviation(robust_z(y))


def is_constant(score: ArrayLike) -> NDArray[np.bool_]:
    """True for a day with at least two scores that are all equal up to rounding; [...]."""
    s = np.asarray(score, dtype=np.float64)
    return np.asarray((np.isfinite(s).sum(axis=-1) >= 2) & ~_has_spread(s))


def robust_z(values: ArrayLike) -> Array:
    """Robust z of a day: median and 1.4826 MAD, winsorized at 3, re-standardized; NaN stays NaN.

    A day whose MAD is 0 uses the standard deviation; one without spread is NaN throughout.
    """
    x = np.asarray(values, dtype=np.float64)
    centred = x - _nan_median(x)
    mad = MAD_TO_DEVIATION * _nan_median(np.abs(centred))
    unit = np.where(mad > 0.0, mad, _deviation(x)[..., None])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.clip(centred / unit, -WINSOR, WINSOR)
        return (z - _mean(z)[..., None]) / _deviation(z)[..., None]


def ranks(values: ArrayLike) -> Array:
    """Average ranks of a day, 1 for the smallest; NaN stays NaN. [..., N] -> [..., N]."""
    x = np.asarray(values, dtype=np.float64)
    # NaN goes last as one tie, which leaves the ranks of the finite values as they are
    found = rankdata(np.where(np.isfinite(x), x, np.inf), method="average", axis=-1)
    return np.where(np.isfinite(x), found, np.nan)


def unit_deviations(values: ArrayLike) -> Array:
    """Deviations from the day's mean, scaled to length 1, so that the dot product of two is their correlation.

    NaN stays NaN; a day without spread is NaN throughout. [..., N] -> [..., N].
    """
    x = np.asarray(values, dtype=np.float64)
    deviation = x - _mean(x)[..., None]
    length = np.sqrt(np.where(np.isfinite(x), deviation**2, 0.0).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(deviation / np.where(_has_spread(x), length, np.nan)[..., None])


def volatility_bins(volatility: Array, n_bins: int) -> Array:
    """Bin number 0 .. n_bins-1 of equal count per day, ties together; NaN where volatility is NaN."""
    count = np.isfinite(volatility).sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.floor((ranks(volatility) - 1.0) * n_bins / count))


def paired(score: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Both as float64, with NaN in both wherever either is not finite."""
    s, y = np.asarray(score, dtype=np.float64), np.asarray(target, dtype=np.float64)
    both = np.isfinite(s) & np.isfinite(y)
    return np.where(both, s, np.nan), np.where(both, y, np.nan)


def _mean(x: Array) -> Array:
    known = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, x, 0.0).sum(axis=-1) / known.sum(axis=-1))


def _deviation(x: Array) -> Array:
    return np.sqrt(_mean((x - _mean(x)[..., None]) ** 2))


def _has_spread(x: Array) -> NDArray[np.bool_]:
    largest = np.where(np.isfinite(x), np.abs(x), 0.0).max(axis=-1, initial=0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(_deviation(x) > MIN_SPREAD * np.maximum(largest, np.finfo(np.float64).tiny))


def _demeaned_in_bins(x: Array, bins: Array, n_bins: int) -> Array:
    """Deviation from the mean of its (day, bin); NaN where x is NaN, as bins are then too."""
    known = np.isfinite(x)
    day = np.arange(x.size // x.shape[-1]).reshape((*x.shape[:-1], 1))
    cell = (day * n_bins + np.where(known, bins, 0).astype(np.int64))[known]
    total = np.bincount(cell, weights=x[known])
    count = np.bincount(cell)
    residual = np.full(x.shape, np.nan)
    residual[known] = x[known] - total[cell] / count[cell]
    return residual


def _nan_median(x: Array) -> Array:
    """Median over the finite values of the last axis, kept as an axis of 1; NaN where there is none."""
    count = np.isfinite(x).sum(axis=-1, keepdims=True)
    ordered = np.sort(np.where(np.isfinite(x), x, np.inf), axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=-1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, x.shape[-1] - 1), axis=-1)
    return np.where(count > 0, (low + high) / 2.0, np.nan)


def _correlation(a: Array, b: Array) -> Array:
    """Pearson over the last axis of two that are NaN at the same places; NaN where either has no spread."""
    known = np.isfinite(a)
    total = np.where(known, unit_deviations(a) * unit_deviations(b), 0.0).sum(axis=-1)
    return np.where(known.any(axis=-1), np.clip(total, -1.0, 1.0), np.nan)
