"""Statistics of a daily series of h-day figures: Sharpe ratio, and t-values that know that the labels overlap.

Series are [T] over consecutive sessions; NaN marks a session without a figure and keeps its place, so that lags stay
lags in sessions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

SESSIONS_PER_YEAR = 252

ROUNDING = 1e-12
"""Deviation below this share of the largest absolute value is rounding, not spread."""

Array = NDArray[np.float64]


def icir(daily_ic: ArrayLike) -> float:
    """Mean / standard deviation (ddof 1) of a daily IC series, not annualized; NaN below 2 days or without spread."""
    return _ratio(_known(daily_ic))


def sharpe_ratio(returns: ArrayLike, horizon: int = 1) -> float:
    """Annualized Sharpe ratio of h-day returns: mean / std * sqrt(252 / h).

    Valid for overlapping h-day returns taken every session: overlap leaves mean and deviation of an h-day return as
    they are, so sqrt(252) would overstate by sqrt(h). Lo's (2002) factor corrects the same thing a second time and
    is not applied. Ratio in units of one year; no risk-free rate is taken off.

    Args:
        returns: [T] returns over h sessions each; NaN left out.
        horizon: h, sessions that one return spans.
    """
    return _ratio(_known(returns)) * math.sqrt(SESSIONS_PER_YEAR / horizon)


def hansen_hodrick_t(series: ArrayLike, horizon: int = 1) -> float:
    """The t-value of the mean of a daily series of h-day figures, whose labels overlap.

    Hansen-Hodrick (1980), flat weights over h - 1 lags: var(mean) = (g_0 + 2 sum_{k<h} g_k) / T. Where that is not
    positive, or h = 1: Newey-West (1987), Bartlett weights over max(3h, 1.3 sqrt T) lags. (Bartlett weights over h - 1
    lags leave out half of the overlap and reject a true null too often.)

    Args:
        series: [T] over consecutive sessions, NaN where a session has none.
        horizon: h, sessions that one figure spans.

    Returns:
        mean / standard error; NaN below 3 known values or without spread.
    """
    x = np.asarray(series, dtype=np.float64)
    known = np.isfinite(x)
    n = int(known.sum())
    if n < 3 or not _has_spread(x[known]):
        return math.nan
    mean = float(x[known].mean())
    deviation = np.where(known, x - mean, 0.0)
    if horizon > 1:
        flat = _long_run_variance(deviation, n, lambda k: 1.0, min(horizon - 1, len(x) - 1))
        if flat > 0.0:
            return mean / math.sqrt(flat / n)
    lags = min(max(3 * horizon, math.ceil(1.3 * math.sqrt(n))), len(x) - 1)
    bartlett = _long_run_variance(deviation, n, lambda k: 1.0 - k / (lags + 1), lags)
    return mean / math.sqrt(bartlett / n) if bartlett > 0.0 else math.nan


def _long_run_variance(deviation: Array, n: int, weight: Callable[[int], float], lags: int) -> float:
    total = float(deviation @ deviation)
    for k in range(1, lags + 1):
        total += 2.0 * weight(k) * float(deviation[k:] @ deviation[:-k])
    return total / n


def _known(series: ArrayLike) -> Array:
    x = np.asarray(series, dtype=np.float64).ravel()
    return x[np.isfinite(x)]


def _ratio(x: Array) -> float:
    if len(x) < 2:
        return math.nan
    return float(x.mean()) / float(x.std(ddof=1)) if _has_spread(x) else math.nan


def _has_spread(x: Array) -> bool:
    """Whether the values differ by more than rounding."""
    return bool(x.std() > ROUNDING * np.abs(x).max())
