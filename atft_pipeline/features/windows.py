"""Trailing windows over a [D, C] panel (sessions down, codes across), NaN meaning "no observation".

A window of n sessions is put together from windows of 1, 2, 4, 8, ... sessions: log2(n) additions instead of n, and
no running total. So a value is made from its own window and nothing else, in an order that only the window's length
decides: where the panel begins or ends cannot change a bit of it.

Missing data: every statistic uses the sessions of the window that are observed, and is NaN unless they are at least
half of it (for exponential weights: half of the weight).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EMA_SPANS = 5
"""An exponential mean looks back this many spans: 99.995% of an infinite one's weight, renormalized."""

RELATIVE_ZERO = 1e-12
"""A variance below this share of the squared mean is rounding, and counts as 0."""


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

    def join(recent: Array, older: Array, distance: int) -> None:
        recent[distance:] += older[:-distance] if decay == 1.0 else decay**distance * older[:-distance]

    return _joined(x, length, join)


def window_max(x: Array, length: int) -> Array:
    """Largest observation of the window [D, C]; NaN if fewer than half of the sessions are observed."""

    def join(recent: Array, older: Array, distance: int) -> None:
        np.fmax(recent[distance:], older[:-distance], out=recent[distance:])

    return np.where(_enough(window_count(x, length), length), _joined(x, length, join), np.nan)


def window_min(x: Array, length: int) -> Array:
    """Smallest observation of the window [D, C]; NaN if fewer than half of the sessions are observed."""
    return -window_max(-x, length)


def window_count(x: Array, length: int) -> Array:
    """Observed sessions of the window [D, C]."""
    return window_sum(np.isfinite(x).astype(np.float64), length)


def window_age(x: Array, length: int) -> Array:
    """Sessions since the window's first observation, that one counted [D, C]; NaN if nothing was observed."""

    def join(recent: Array, older: Array, distance: int) -> None:
        np.fmin(recent[distance:], older[:-distance], out=recent[distance:])

    session = np.arange(len(x), dtype=np.float64)[:, None]
    return session - _joined(np.where(np.isfinite(x), session, np.nan), length, join) + 1.0


def window_mean(x: Array, length: int) -> Array:
    """Mean of the window's observations [D, C]."""
    n = window_count(x, length)
    return _ratio(window_sum(_zeros(x), length), np.where(_enough(n, length), n, np.nan))


def window_std(x: Array, length: int) -> Array:
    """Standard deviation (ddof 1) of the window's observations [D, C]; exactly 0 where they are all equal."""
    n = window_count(x, length)
    n = np.where(_enough(n, length) & (n > 1), n, np.nan)
    filled = _zeros(x)
    mean = window_sum(filled, length) / n
    variance = window_sum(filled * filled, length) / n - mean * mean
    variance = np.where(variance <= RELATIVE_ZERO * mean * mean, 0.0, variance)
    return np.asarray(np.sqrt(variance * n / (n - 1)))


def window_skew(x: Array, length: int) -> Array:
    """Skewness `m3 / m2^1.5` (biased) of the window's observations [D, C]; NaN where they do not vary."""
    n = window_count(x, length)
    n = np.where(_enough(n, length), n, np.nan)
    filled = _zeros(x)
    m1, s2, s3 = (window_sum(filled**power, length) / n for power in (1, 2, 3))
    m2 = s2 - m1 * m1
    m2 = np.where(m2 <= RELATIVE_ZERO * s2, np.nan, m2)
    return np.asarray((s3 - 3 * m1 * s2 + 2 * m1**3) / m2**1.5)


def window_median(x: Array, length: int) -> Array:
    """Median of the window's observations [D, C]; the mean of the middle two for an even count."""
    out = np.full_like(x, np.nan)
    padded = np.concatenate([np.full((length - 1, x.shape[1]), np.nan), x])
    step = max(1, 4_000_000 // max(1, length * x.shape[1]))  # keeps a block's sorted copy near 32 MB
    for first in range(0, len(x), step):
        block = padded[first : first + step + length - 1]
        ordered = np.sort(np.lib.stride_tricks.sliding_window_view(block, length, axis=0), axis=-1)
        n = np.isfinite(ordered).sum(axis=-1, keepdims=True)
        low, high = (
            np.take_along_axis(ordered, index, axis=-1) for index in (np.maximum(n - 1, 0) // 2, n // 2 % length)
        )
        out[first : first + step] = np.where(_enough(n, length), (low + high) / 2, np.nan)[..., 0]
    return out


def exponential_mean(x: Array, span: int) -> Array:
    """Exponential mean [D, C] with decay `1 - 2 / (span + 1)` over `EMA_SPANS * span` sessions, renormalized.

    Weights of unobserved sessions are left out and the rest renormalized, so any start gives the same value.
    Wilder's mean of n is the one of span 2n - 1.
    """
    decay, length = 1.0 - 2.0 / (span + 1.0), EMA_SPANS * span
    weight = decayed_sum(np.isfinite(x).astype(np.float64), length, decay)
    whole = (1.0 - decay**length) / (1.0 - decay)
    return _ratio(decayed_sum(_zeros(x), length, decay), np.where(weight >= 0.5 * whole, weight, np.nan))


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
    both = np.isfinite(y) & np.isfinite(x)
    y, x = np.where(both, y, 0.0), np.where(both, x, 0.0)
    n = window_sum(both.astype(np.float64), length)
    n = np.where(n >= (math.ceil(length / 2) if min_count is None else min_count), n, np.nan)
    sx, sy, sxx, syy, sxy = (window_sum(v, length) for v in (x, y, x * x, y * y, x * y))
    vx = sxx - sx * sx / n
    slope = (sxy - sx * sy / n) / np.where(vx <= RELATIVE_ZERO * sxx, np.nan, vx)
    left = np.maximum(syy - sy * sy / n - slope * slope * vx, 0.0)
    return slope, np.asarray(np.sqrt(left / (n - 2)))


def _joined(x: Array, length: int, join: Callable[[Array, Array, int], None]) -> Array:
    block, size, covered = x, 1, 0
    result: Array | None = None
    while covered < length:
        if length & size:
            if result is None:
                result = block.copy()
            elif covered < len(x):
                join(result, block, covered)
            covered += size
        if covered < length:
            older, block = block, block.copy()
            if size < len(x):
                join(block, older, size)
            size *= 2
    assert result is not None
    return result


def _enough(n: NDArray[np.float64] | NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    return np.asarray(n >= math.ceil(length / 2), dtype=np.bool_)


def _zeros(x: Array) -> Array:
    return np.where(np.isfinite(x), x, 0.0)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.asarray(numerator / denominator)
