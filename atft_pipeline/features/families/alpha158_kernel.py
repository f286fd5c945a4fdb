"""Alpha158 as one compiled pass per stock; what the columns mean is said in `alpha158.py`.

A stock's history is computed piece by piece between its ex-dates, each piece on the share basis of its own sessions,
so neither the panel's first session nor a later split can touch a value. Within a piece everything is an array over
sessions. The windows nest, 10 = 5 + 5, 20 = 10 + 10, 30 = 20 + 10, 60 = 30 + 30: the statistics of each are joined
from those of two shorter ones (means and squares by Chan, Golub and LeVeque 1979). So a window's value is made from
its own sessions in an order that only its length decides, and there is no running total that could drift.

Arrays have `PAD` empty sessions before the first, so that no window looks for its beginning. [8, T] is a statistic by
level: windows of 1, 2, 4, 5, 10, 20, 30, 60 sessions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.compiled import compiled

Array = NDArray[np.float64]
Output = NDArray[np.float32]

WINDOWS = (5, 10, 20, 30, 60)
PAD = 60
LOOK_BACK = 119
"""A stock's rows begin at its first trade within this many sessions before t; 60 + the 59 of the longest window."""

LEVELS = 8
FIRST_LEVEL = 3
"""The level of the window of 5."""

SERIES = (3, 1, 2)
"""Where close, high and low stand among open, high, low, close, volume, value."""

JOINS = ((1, 0, 0, 1), (2, 1, 1, 2), (3, 2, 0, 4), (4, 3, 3, 5), (5, 4, 4, 10), (6, 5, 4, 20), (7, 6, 6, 30))
"""Level, made of the recent level and the older level that ended so many sessions before."""

EPSILON = 1e-12
FLAT = 2e-5
"""A deviation up to this, in yen or in logs, is none: Qlib's rule for correlations and R squared."""

BARS = 13
ROC, MA, STD, BETA, RSQR, RESI, MAX, MIN, QTLU, QTLD, RANK, RSV, IMAX, IMIN, IMXD = range(15)
CORR, CORD, CNTP, CNTN, CNTD, SUMP, SUMN, SUMD, VMA, VSTD, WVMA, VSUMP, VSUMN, VSUMD = range(15, 29)
COLUMNS = BARS + 29 * len(WINDOWS)


@compiled
def fill(bars: Array, factor: Array, cells: NDArray[np.int32], first: int, last: int, out: Output) -> None:
    """Values of the stocks first..last-1.

    Args:
        bars: open, high, low, close, volume, value [6, D, C], NaN where unknown.
        factor: A_t [D, C].
        cells: place in the output of each stock on each of the last d sessions [d, C], -1 for none.
        first: number of the first stock.
        last: number after the last.
        out: 158 columns by place.
    """
    n_sessions, n_rows = bars.shape[1], len(cells)
    block = np.empty((COLUMNS, last - first, n_rows), dtype=np.float32)
    own = np.empty((6, n_sessions))
    for code in range(first, last):
        for s in range(n_sessions):
            traded = bars[3, s, code] > 0.0
            for field in range(6):
                own[field, s] = bars[field, s, code] if traded else np.nan
        begin = n_sessions - n_rows
        while begin < n_sessions:
            end = begin + 1
            while end < n_sessions and factor[end, code] == 1.0:
                end += 1
            at = begin - (n_sessions - n_rows)
            _piece(own, factor[:, code], begin, end, block[:, code - first, at : at + end - begin])
            begin = end
    for column in range(COLUMNS):
        values = block[column]
        for row in range(n_rows):
            for code in range(first, last):
                if cells[row, code] >= 0:
                    out[column, cells[row, code]] = values[code - first, row]


@compiled
def _piece(bars: Array, factor: Array, begin: int, end: int, out: Output) -> None:
    """Sessions begin..end-1, between two ex-dates, into [158, end - begin]."""
    start = max(begin - LOOK_BACK, 0)
    close, high, low, volume = _on_one_basis(bars, factor, start, begin, end)
    rows = end - begin
    _same_day(bars[:, begin:end], out)
    moments = np.zeros((6, LEVELS, len(close)))
    change, ratio = np.full_like(close, np.nan), np.full_like(close, np.nan)
    change[1:] = close[1:] - close[:-1]
    ratio[1:] = close[1:] / close[:-1]
    deviation = _trend(close, moments, rows, out)
    _levels(close, moments[0], rows, out)
    _correlation(close, np.log(volume + 1.0), moments, deviation, rows, out[BARS + 5 * CORR :])
    growth, moved = np.full_like(close, np.nan), np.full_like(close, np.nan)
    growth[1:] = np.log(volume[1:] / volume[:-1] + 1.0)
    _moments(ratio, np.zeros_like(ratio), moments, 0.0)
    deviation = _deviations(moments, rows)
    _correlation(ratio, growth, moments, deviation, rows, out[BARS + 5 * CORD :])
    _volume(np.abs(ratio - 1.0) * volume, volume, moments, rows, out)
    moved[1:] = volume[1:] - volume[:-1]
    _gains(change, moments, rows, out[BARS + 5 * SUMP :])
    _gains(moved, moments, rows, out[BARS + 5 * VSUMP :])
    first = _first_rows(close)
    _counts(change, first, moments, rows, out[BARS + 5 * CNTP :])
    _extremes(close, high, low, first, moments, rows, out)


@compiled
def _on_one_basis(bars: Array, factor: Array, start: int, begin: int, end: int) -> tuple[Array, Array, Array, Array]:
    """Close, high, low and volume of start..end-1 on the share basis of `begin`, after `PAD` empty sessions.

    Prices are rounded to 1e-9 yen and volumes to 1e-6 shares, so that what was equal before a split is equal after.
    """
    out = np.full((4, PAD + end - start), np.nan)
    scale = 1.0
    for s in range(end - 1, start - 1, -1):
        if s < begin:
            scale *= factor[s + 1]
        at = PAD + s - start
        for field in range(3):
            out[field, at] = np.floor(bars[SERIES[field], s] * scale * 1e9 + 0.5) / 1e9
        out[3, at] = np.floor(bars[4, s] / scale * 1e6 + 0.5) / 1e6
    return out[0], out[1], out[2], out[3]


@compiled
def _same_day(bars: Array, out: Output) -> None:
    for i in range(bars.shape[1]):
        o, h, lo, c, volume, value = bars[0, i], bars[1, i], bars[2, i], bars[3, i], bars[4, i], bars[5, i]
        spread = h - lo + EPSILON
        top, bottom = (o if o > c else c), (o if o < c else c)
        if np.isnan(o):
            top = bottom = o
        out[0, i] = (c - o) / o
        out[1, i] = (h - lo) / o
        out[2, i] = (c - o) / spread
        out[3, i] = (h - top) / o
        out[4, i] = (h - top) / spread
        out[5, i] = (bottom - lo) / o
        out[6, i] = (bottom - lo) / spread
        out[7, i] = (2.0 * c - h - lo) / o
        out[8, i] = (2.0 * c - h - lo) / spread
        out[9, i] = o / c
        out[10, i] = h / c
        out[11, i] = lo / c
        out[12, i] = value / volume / c


@compiled
def _join_moments(moments: Array, move: float) -> None:
    """Levels of count, mean of x, mean of y, and the sums of squares xx, yy, xy about the means, from their level 0.

    A position in time counts back from each window's end, so an older window's is moved by its distance.
    """
    for level, recent, older, distance in JOINS:
        size = moments.shape[2] - PAD
        n1, x1, y1 = moments[0, recent, PAD:], moments[1, recent, PAD:], moments[2, recent, PAD:]
        xx1, yy1, xy1 = moments[3, recent, PAD:], moments[4, recent, PAD:], moments[5, recent, PAD:]
        at = PAD - distance
        n2, x2, y2 = moments[0, older, at:], moments[1, older, at:], moments[2, older, at:]
        xx2, yy2, xy2 = moments[3, older, at:], moments[4, older, at:], moments[5, older, at:]
        n, x, y = moments[0, level, PAD:], moments[1, level, PAD:], moments[2, level, PAD:]
        xx, yy, xy = moments[3, level, PAD:], moments[4, level, PAD:], moments[5, level, PAD:]
        for i in range(size):
            total = n1[i] + n2[i]
            weight = n2[i] / max(total, 1.0)
            dx = x2[i] - x1[i]
            dy = y2[i] - move * distance - y1[i]
            both = n1[i] * weight
            n[i] = total
            x[i] = x1[i] + dx * weight
            y[i] = y1[i] + dy * weight
            xx[i] = xx1[i] + xx2[i] + dx * dx * both
            yy[i] = yy1[i] + yy2[i] + dy * dy * both
            xy[i] = xy1[i] + xy2[i] + dx * dy * both


@compiled
def _moments(left: Array, right: Array, moments: Array, move: float) -> None:
    """`_join_moments` of the sessions on which both are there."""
    for i in range(len(left)):
        there = np.isfinite(left[i]) and np.isfinite(right[i])
        moments[0, 0, i] = 1.0 if there else 0.0
        moments[1, 0, i] = left[i] if there else 0.0
        moments[2, 0, i] = right[i] if there else 0.0
    moments[3:, 0] = 0.0
    _join_moments(moments, move)


@compiled
def _std(squares: float, n: float) -> float:
    return math.sqrt(squares / (n - 1.0)) if n > 1.0 else np.nan


@compiled
def _deviations(moments: Array, rows: int) -> Array:
    out = np.empty((len(WINDOWS), rows))
    for w in range(len(WINDOWS)):
        n, xx = moments[0, FIRST_LEVEL + w, -rows:], moments[3, FIRST_LEVEL + w, -rows:]
        for i in range(rows):
            out[w, i] = _std(xx[i], n[i])
    return out


@compiled
def _trend(close: Array, moments: Array, rows: int, out: Output) -> Array:
    """Mean, deviation, and the regression of the close on the session's position; gives the deviations."""
    _moments(close, np.zeros_like(close), moments, 1.0)
    deviation = _deviations(moments, rows)
    c = close[-rows:]
    for w in range(len(WINDOWS)):
        level = FIRST_LEVEL + w
        x, y = moments[1, level, -rows:], moments[2, level, -rows:]
        xx, yy, xy = moments[3, level, -rows:], moments[4, level, -rows:], moments[5, level, -rows:]
        ma, std, beta = out[BARS + 5 * MA + w], out[BARS + 5 * STD + w], out[BARS + 5 * BETA + w]
        rsqr, resi = out[BARS + 5 * RSQR + w], out[BARS + 5 * RESI + w]
        for i in range(rows):
            slope = xy[i] / yy[i]
            ma[i] = x[i] / c[i]
            std[i] = deviation[w, i] / c[i]
            beta[i] = slope / c[i]
            explained = xy[i] * slope / xx[i]
            explained = 1.0 if explained > 1.0 else explained
            rsqr[i] = np.nan if deviation[w, i] <= FLAT else explained
            resi[i] = (c[i] - (x[i] - slope * y[i])) / c[i]
    return deviation


@compiled
def _levels(close: Array, counts: Array, rows: int, out: Output) -> None:
    """The close among the closes of its window: d sessions ago, rank, and quantiles."""
    c = close[-rows:]
    less, equal = np.zeros(rows), np.zeros(rows)
    k = 0
    for w in range(len(WINDOWS)):
        length, n = WINDOWS[w], counts[FIRST_LEVEL + w, -rows:]
        while k < length:
            past = close[len(close) - rows - k : len(close) - k]
            for i in range(rows):
                less[i] += 1.0 if past[i] < c[i] else 0.0
                equal[i] += 1.0 if past[i] == c[i] else 0.0
            k += 1
        ago = close[len(close) - rows - length : len(close) - length]
        roc, rank = out[BARS + 5 * ROC + w], out[BARS + 5 * RANK + w]
        for i in range(rows):
            roc[i] = ago[i] / c[i]
            rank[i] = (less[i] + 0.5 * (equal[i] + 1.0)) / n[i] if c[i] == c[i] else np.nan
        _quantiles(close, length, out[BARS + 5 * QTLU + w], out[BARS + 5 * QTLD + w])


@compiled
def _quantiles(close: Array, length: int, high: Output, low: Output) -> None:
    """Quantiles .8 and .2 over the close, interpolated: the window's closes are kept in order, one out, one in."""
    ordered, n, rows = np.empty(length + 1), 0, len(high)
    first = len(close) - rows
    for t in range(first - length + 1, len(close)):
        new, old = close[t], (close[t - length] if t - length > first - length else np.nan)
        place = n
        if old == old:
            place = 0
            while ordered[place] < old:
                place += 1
            n -= 1
        if new == new:
            while place > 0 and ordered[place - 1] > new:
                ordered[place] = ordered[place - 1]
                place -= 1
            if old == old:
                while place < n and ordered[place + 1] < new:
                    ordered[place] = ordered[place + 1]
                    place += 1
            ordered[place] = new
            n += 1
        elif old == old:
            for i in range(place, n):
                ordered[i] = ordered[i + 1]
        if t >= first:
            high[t - first] = _quantile(ordered, n, 0.8) / new if new == new else np.nan
            low[t - first] = _quantile(ordered, n, 0.2) / new if new == new else np.nan


@compiled
def _quantile(ordered: Array, n: int, q: float) -> float:
    place = q * (n - 1)
    below = int(place)
    if below + 1 >= n:
        return float(ordered[n - 1])
    return float(ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below))


@compiled
def _correlation(left: Array, right: Array, moments: Array, deviation: Array, rows: int, out: Output) -> None:
    """Correlation where both are there; `right` is nowhere where `left` is not. `deviation` is the left's own."""
    _moments(left, right, moments, 0.0)
    for w in range(len(WINDOWS)):
        level, values = FIRST_LEVEL + w, out[w]
        n, xx = moments[0, level, -rows:], moments[3, level, -rows:]
        yy, xy = moments[4, level, -rows:], moments[5, level, -rows:]
        for i in range(rows):
            flat = deviation[w, i] <= FLAT or _std(yy[i], n[i]) <= FLAT
            value = xy[i] / math.sqrt(xx[i] * yy[i])
            value = 1.0 if value > 1.0 else (-1.0 if value < -1.0 else value)
            values[i] = np.nan if flat else value


@compiled
def _volume(weighted: Array, volume: Array, moments: Array, rows: int, out: Output) -> None:
    """Mean and deviation of the volume, and the deviation of |return| times volume over its mean."""
    now, nothing = volume[-rows:], np.zeros_like(volume)
    _moments(volume, nothing, moments, 0.0)
    for w in range(len(WINDOWS)):
        level, vma, vstd = FIRST_LEVEL + w, out[BARS + 5 * VMA + w], out[BARS + 5 * VSTD + w]
        n, x, xx = moments[0, level, -rows:], moments[1, level, -rows:], moments[3, level, -rows:]
        for i in range(rows):
            vma[i] = x[i] / (now[i] + EPSILON)
            vstd[i] = _std(xx[i], n[i]) / (now[i] + EPSILON)
    _moments(weighted, nothing, moments, 0.0)
    for w in range(len(WINDOWS)):
        level, wvma = FIRST_LEVEL + w, out[BARS + 5 * WVMA + w]
        n, x, xx = moments[0, level, -rows:], moments[1, level, -rows:], moments[3, level, -rows:]
        for i in range(rows):
            wvma[i] = _std(xx[i], n[i]) / (x[i] + EPSILON)


@compiled
def _join_sums(sums: Array) -> None:
    for level, recent, older, distance in JOINS:
        one, two, total = sums[recent, PAD:], sums[older, PAD - distance :], sums[level, PAD:]
        for i in range(len(total)):
            total[i] = one[i] + two[i]


@compiled
def _gains(change: Array, work: Array, rows: int, out: Output) -> None:
    """Sums of rises, of falls, and their difference, over the sum of both; NaN without any change known."""
    rises, falls, known = work[0], work[1], work[2]
    for i in range(len(change)):
        there = np.isfinite(change[i])
        rises[0, i] = max(change[i], 0.0) if there else 0.0
        falls[0, i] = max(-change[i], 0.0) if there else 0.0
        known[0, i] = 1.0 if there else 0.0
    _join_sums(rises)
    _join_sums(falls)
    _join_sums(known)
    for w in range(len(WINDOWS)):
        level = FIRST_LEVEL + w
        up, down, n = rises[level, -rows:], falls[level, -rows:], known[level, -rows:]
        plus, minus, balance = out[w], out[5 + w], out[10 + w]
        for i in range(rows):
            both = up[i] + down[i] + EPSILON if n[i] > 0.0 else np.nan
            plus[i], minus[i], balance[i] = up[i] / both, down[i] / both, (up[i] - down[i]) / both


@compiled
def _first_rows(close: Array) -> NDArray[np.int64]:
    """For each session the first with a trade among it and the `LOOK_BACK` before; a later one if there is none."""
    n = len(close)
    following = np.empty(n + 1, dtype=np.int64)
    following[n] = n
    for t in range(n - 1, -1, -1):
        following[t] = t if close[t] == close[t] else following[t + 1]
    first = np.empty(n, dtype=np.int64)
    for t in range(n):
        first[t] = following[max(t - LOOK_BACK, 0)]
    return first


@compiled
def _counts(change: Array, first: NDArray[np.int64], work: Array, rows: int, out: Output) -> None:
    """Shares of the window's sessions, known or not, on which the close rose and fell."""
    rises, falls = work[0], work[1]
    for i in range(len(change)):
        rises[0, i] = 1.0 if change[i] > 0.0 else 0.0
        falls[0, i] = 1.0 if change[i] < 0.0 else 0.0
    _join_sums(rises)
    _join_sums(falls)
    begin = len(change) - rows
    for w in range(len(WINDOWS)):
        level, length = FIRST_LEVEL + w, WINDOWS[w]
        up, down = rises[level, -rows:], falls[level, -rows:]
        plus, minus, balance = out[w], out[5 + w], out[10 + w]
        for i in range(rows):
            n = min(length, begin + i - first[begin + i] + 1)
            there = float(n) if n > 0 else np.nan
            plus[i], minus[i], balance[i] = up[i] / there, down[i] / there, up[i] / there - down[i] / there


@compiled
def _join_largest(largest: Array, place: Array) -> None:
    """Levels of the largest value and of the first session that has it."""
    for level, recent, older, distance in JOINS:
        one, two, most = largest[recent, PAD:], largest[older, PAD - distance :], largest[level, PAD:]
        at1, at2, at = place[recent, PAD:], place[older, PAD - distance :], place[level, PAD:]
        for i in range(len(most)):
            earlier = two[i] >= one[i]
            most[i] = two[i] if earlier else one[i]
            at[i] = at2[i] if earlier else at1[i]


@compiled
def _extremes(
    close: Array, high: Array, low: Array, first: NDArray[np.int64], work: Array, rows: int, out: Output
) -> None:
    """Highest high, lowest low, where they stand in the window (a gap counts as the extreme), and the close between."""
    n = len(close)
    gaps = np.full((2, n + 1), n, dtype=np.int64)
    for side in range(2):
        values = high if side == 0 else low
        for t in range(n):
            there = np.isfinite(values[t])
            work[2 * side, :, t] = -np.inf
            work[2 * side, 0, t] = (values[t] if side == 0 else -values[t]) if there else -np.inf
            work[2 * side + 1, :, t] = t
        for t in range(n - 1, -1, -1):
            gaps[side, t] = gaps[side, t + 1] if np.isfinite(values[t]) else t
        _join_largest(work[2 * side], work[2 * side + 1])
    for w in range(len(WINDOWS)):
        level, length = FIRST_LEVEL + w, WINDOWS[w]
        for i in range(rows):
            t = n - rows + i
            begin = max(t - length + 1, first[t])
            top, bottom = work[0, level, t], -work[2, level, t]
            top, bottom = (top if top > -np.inf else np.nan), (bottom if bottom < np.inf else np.nan)
            at_top = float(gaps[0, begin]) if gaps[0, begin] <= t else work[1, level, t]
            at_bottom = float(gaps[1, begin]) if gaps[1, begin] <= t else work[3, level, t]
            at_top = at_top - begin + 1.0 if top == top else np.nan
            at_bottom = at_bottom - begin + 1.0 if bottom == bottom else np.nan
            out[BARS + 5 * MAX + w, i] = top / close[t]
            out[BARS + 5 * MIN + w, i] = bottom / close[t]
            out[BARS + 5 * RSV + w, i] = (close[t] - bottom) / (top - bottom + EPSILON)
            out[BARS + 5 * IMAX + w, i] = at_top / length
            out[BARS + 5 * IMIN + w, i] = at_bottom / length
            out[BARS + 5 * IMXD + w, i] = (at_top - at_bottom) / length
