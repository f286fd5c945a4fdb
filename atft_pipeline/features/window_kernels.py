"""The compiled half of `windows.py`, where each function is said. Each works on the columns first..last-1 of a panel.

Columns are taken together, so that a session's row is a vector. Of the arguments, `out` is [D, C] like `x`, `least`
the observations (or the weight) that a window needs, and `zero` the share of a squared mean up to which a variance is
rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.compiled import compiled

Array = NDArray[np.float64]


@compiled
def total(x: Array, length: int, decay: float, first: int, last: int, out: Array) -> None:
    """Sum over the window of `decay^k x[t - k]`, for x without NaN."""
    out[:, first:last] = _joined(x[:, first:last].copy(), length, decay)


@compiled
def mean(x: Array, length: int, decay: float, least: float, first: int, last: int, out: Array) -> None:
    """Weighted mean of the observations; NaN if their weights sum to less than `least`."""
    seen, filled = _observed(x, first, last)
    weights, sums = _joined(seen, length, decay), _joined(filled, length, decay)
    for t in range(len(x)):
        for j in range(last - first):
            out[t, first + j] = sums[t, j] / weights[t, j] if weights[t, j] >= least else np.nan


@compiled
def deviation(x: Array, length: int, least: float, zero: float, first: int, last: int, out: Array) -> None:
    """Standard deviation (ddof 1) of at least `least` observations, and two."""
    seen, filled = _observed(x, first, last)
    squared = filled * filled
    counts, sums, squares = _joined(seen, length, 1.0), _joined(filled, length, 1.0), _joined(squared, length, 1.0)
    for t in range(len(x)):
        for j in range(last - first):
            n = counts[t, j]
            middle = sums[t, j] / n
            variance = squares[t, j] / n - middle * middle
            variance = 0.0 if variance <= zero * middle * middle else variance
            out[t, first + j] = np.sqrt(variance * n / (n - 1.0)) if n >= least and n > 1.0 else np.nan


@compiled
def skewness(x: Array, length: int, least: float, zero: float, first: int, last: int, out: Array) -> None:
    """`m3 / m2^1.5` of at least `least` observations that vary."""
    seen, filled = _observed(x, first, last)
    squared, cubed = filled * filled, filled * filled * filled
    counts, sums = _joined(seen, length, 1.0), _joined(filled, length, 1.0)
    squares, cubes = _joined(squared, length, 1.0), _joined(cubed, length, 1.0)
    for t in range(len(x)):
        for j in range(last - first):
            n = counts[t, j]
            m1, s2, s3 = sums[t, j] / n, squares[t, j] / n, cubes[t, j] / n
            m2 = s2 - m1 * m1
            known = n >= least and m2 > zero * s2
            out[t, first + j] = (s3 - 3.0 * m1 * s2 + 2.0 * m1 * m1 * m1) / (m2 * np.sqrt(m2)) if known else np.nan


@compiled
def extreme(x: Array, length: int, least: float, sign: float, first: int, last: int, out: Array) -> None:
    """Largest (sign 1) or smallest (sign -1) of at least `least` observations."""
    seen, most = _observed(x, first, last)
    for t in range(len(x)):
        for j in range(last - first):
            most[t, j] = sign * most[t, j] if seen[t, j] > 0.0 else -np.inf
    counts, result = _joined(seen, length, 1.0), most.copy()
    size, covered = 1, 0
    while covered < length:
        if length & size:
            for t in range(covered, len(x)) if covered else range(0):
                one, two = result[t], most[t - covered]
                for j in range(last - first):
                    one[j] = two[j] if two[j] > one[j] else one[j]
            if not covered:
                result[:] = most
            covered += size
        if covered < length:
            for t in range(len(x) - 1, size - 1, -1):
                one, two = most[t], most[t - size]
                for j in range(last - first):
                    one[j] = two[j] if two[j] > one[j] else one[j]
            size *= 2
    for t in range(len(x)):
        for j in range(last - first):
            out[t, first + j] = sign * result[t, j] if counts[t, j] >= least else np.nan


@compiled
def median(x: Array, length: int, least: float, first: int, last: int, out: Array) -> None:
    """Median of at least `least` observations: they are kept in order, one out, one in."""
    ordered = np.empty(length + 1)
    for column in range(first, last):
        n = 0
        for t in range(len(x)):
            old = x[t - length, column] if t >= length else np.nan
            if np.isfinite(old):
                place = np.searchsorted(ordered[:n], old)
                n -= 1
                for i in range(place, n):
                    ordered[i] = ordered[i + 1]
            new = x[t, column]
            if np.isfinite(new):
                place = n
                while place > 0 and ordered[place - 1] > new:
                    ordered[place] = ordered[place - 1]
                    place -= 1
                ordered[place] = new
                n += 1
            enough = n >= least and n > 0
            out[t, column] = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0 if enough else np.nan


@compiled
def line(
    y: Array, x: Array, length: int, least: float, zero: float, first: int, last: int, slope: Array, residual: Array
) -> None:
    """Slope and residual deviation (ddof 2) of y on x [D, C] or [D, 1], of at least `least` common observations."""
    shape = (len(y), last - first)
    seen, xs, ys = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for t in range(len(y)):
        for j in range(last - first):
            a, b = x[t, first + j if x.shape[1] > 1 else 0], y[t, first + j]
            if np.isfinite(a) and np.isfinite(b):
                seen[t, j], xs[t, j], ys[t, j] = 1.0, a, b
    xx, yy, xy = xs * xs, ys * ys, xs * ys
    count, sx, sy = _joined(seen, length, 1.0), _joined(xs, length, 1.0), _joined(ys, length, 1.0)
    sxx, syy, sxy = _joined(xx, length, 1.0), _joined(yy, length, 1.0), _joined(xy, length, 1.0)
    for t in range(len(y)):
        for j in range(last - first):
            n = count[t, j] if count[t, j] >= least else np.nan
            vx = sxx[t, j] - sx[t, j] * sx[t, j] / n
            b = (sxy[t, j] - sx[t, j] * sy[t, j] / n) / (np.nan if vx <= zero * sxx[t, j] else vx)
            left = syy[t, j] - sy[t, j] * sy[t, j] / n - b * b * vx
            slope[t, first + j] = b
            residual[t, first + j] = np.sqrt((0.0 if left < 0.0 else left) / (n - 2.0))


@compiled
def _observed(x: Array, first: int, last: int) -> tuple[Array, Array]:
    """1 where observed, else 0; and the values, 0 for none."""
    seen, filled = np.zeros((len(x), last - first)), np.zeros((len(x), last - first))
    for t in range(len(x)):
        for j in range(last - first):
            if np.isfinite(x[t, first + j]):
                seen[t, j], filled[t, j] = 1.0, x[t, first + j]
    return seen, filled


@compiled
def _joined(block: Array, length: int, decay: float) -> Array:
    """The window's sums, from windows of 1, 2, 4, 8, ... sessions; what `block` held is lost."""
    size, covered = 1, 0
    result = np.zeros_like(block)
    while covered < length:
        if length & size:
            if covered == 0:
                result[:] = block
            else:
                _add(result, block, covered, decay**covered)
            covered += size
        if covered < length:
            _add(block, block, size, decay**size)
            size *= 2
    return result


@compiled
def _add(recent: Array, older: Array, distance: int, weight: float) -> None:
    """`recent[t] += weight older[t - distance]`, the last session first: both may be one array."""
    for t in range(len(recent) - 1, distance - 1, -1):
        one, two = recent[t], older[t - distance]
        for j in range(len(one)):
            one[j] += weight * two[j]
