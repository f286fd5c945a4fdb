"""Trailing windows over a [D, C] panel (sessions down, codes across), NaN meaning "no observation".

A window of n sessions is put together from windows of 1, 2, 4, 8, ... sessions: log2(n) additions instead of n, and
no running total. So a value is made from its own window and nothing else, in an order that only the window's length
decides: where the panel begins or ends cannot change a bit of it. The arithmetic is compiled (`window_kernels.py`)
and the columns are shared among the processor's cores.

Missing data: every statistic uses the sessions of the window that are observed, and is NaN unless they are at least
half of it (for exponential weights: half of the weight).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.cores import over_parts

Array = NDArray[np.float64]

EMA_SPANS = 5
"""An exponential mean looks back this many spans: 99.995% of an infinite one's weight, renormalized."""

RELATIVE_ZERO = 1e-12
"""A variance below this share of the squared mean is rounding, and counts as 0."""


COLUMNS_AT_ONCE = 16
"""Columns of a panel that one core works on at a time: 1,000 sessions of them fit beside each other in its cache."""


def lag(x: Array, n: int) -> Array:
    """The panel `n` sessions earlier: out[t] = x[t - n], NaN before the first."""
    out = np.full_like(x, np.nan)
    out[n:] = x[: max(len(x) - n, 0)]
    return out


def window_sum(x: Array, length: int) -> Array:
    """`sum_{k < length} x[t - k]` of a panel without NaN; sessions before the panel count as 0."""
    return decayed_sum(x, length, 1.0)


def decayed_sum(x: Array, length: int, decay: float) -> Array:
    """`sum_{k < length} decay^k x[t - k]` of a panel without NaN; sessions before the panel count as 0."""
    return _windowed("total", x, length, decay)


def window_max(x: Array, length: int) -> Array:
    """Largest observation of the window [D, C]; NaN if fewer than half of the sessions are observed."""
    return _windowed("extreme", x, length, _half(length), 1.0)


def window_min(x: Array, length: int) -> Array:
    """Smallest observation of the window [D, C]; NaN if fewer than half of the sessions are observed."""
    return _windowed("extreme", x, length, _half(length), -1.0)


def window_count(x: Array, length: int) -> Array:
    """Observed sessions of the window [D, C]."""
    return window_sum(np.isfinite(x).astype(np.float64), length)


def window_age(x: Array, length: int) -> Array:
    """Sessions since the window's first observation, that one counted [D, C]; NaN if nothing was observed."""
    session = np.arange(len(x), dtype=np.float64)[:, None]
    return session - _windowed("extreme", np.where(np.isfinite(x), session, np.nan), length, 1.0, -1.0) + 1.0


def window_mean(x: Array, length: int) -> Array:
    """Mean of the window's observations [D, C]."""
    return _windowed("mean", x, length, 1.0, _half(length))


def window_std(x: Array, length: int) -> Array:
    """Standard deviation (ddof 1) of the window's observations [D, C]; exactly 0 where they are all equal."""
    return _windowed("deviation", x, length, _half(length), RELATIVE_ZERO)


def window_skew(x: Array, length: int) -> Array:
    """Skewness `m3 / m2^1.5` (biased) of the window's observations [D, C]; NaN where they do not vary."""
    return _windowed("skewness", x, length, _half(length), RELATIVE_ZERO)


def window_median(x: Array, length: int) -> Array:
    """Median of the window's observations [D, C]; the mean of the middle two for an even count."""
    return _windowed("median", x, length, _half(length))


def exponential_mean(x: Array, span: int) -> Array:
    """Exponential mean [D, C] with decay `1 - 2 / (span + 1)` over `EMA_SPANS * span` sessions, renormalized.

    Weights of unobserved sessions are left out and the rest renormalized, so any start gives the same value.
    Wilder's mean of n is the one of span 2n - 1.
    """
    decay, length = 1.0 - 2.0 / (span + 1.0), EMA_SPANS * span
    whole = (1.0 - decay**length) / (1.0 - decay)
    return _windowed("mean", x, length, decay, 0.5 * whole)


def regression(y: Array, x: Array, length: int, *, min_count: int | None = None) -> tuple[Array, Array]:
    """Slope and residual standard deviation (ddof 2) of y on x over the window's common observations.

    Args:
        y: explained series [D, C].
        x: explaining series [D, C] or [D, 1].
        length: window in sessions.
        min_count: common observations needed; by default half of the window.

    Returns:
        slope [D, C] and residual deviation [D, C]; NaN with too few observations or where x does not vary.
    """
    from atft_pipeline.features.window_kernels import line

    least = _half(length) if min_count is None else float(min_count)
    explained, explaining = _dense(y), _dense(x)
    slope, residual = np.empty_like(explained), np.empty_like(explained)
    over_parts(
        lambda first, last: line(explained, explaining, length, least, RELATIVE_ZERO, first, last, slope, residual),
        y.shape[1],
        COLUMNS_AT_ONCE,
    )
    return slope, residual


def _windowed(
    statistic: Literal["total", "extreme", "mean", "deviation", "skewness", "median"],
    x: Array,
    length: int,
    *parameters: float,
) -> Array:
    from atft_pipeline.features import window_kernels  # imports numba, which takes half a second

    kernel, panel = getattr(window_kernels, statistic), _dense(x)
    out = np.empty_like(panel)
    over_parts(
        lambda first, last: kernel(panel, length, *parameters, first, last, out), panel.shape[1], COLUMNS_AT_ONCE
    )
    return out


def _dense(x: Array) -> Array:
    """The one form of array that the kernels are compiled for."""
    return np.require(x, np.float64, ["C", "W"])


def _half(length: int) -> float:
    return float(math.ceil(length / 2))
