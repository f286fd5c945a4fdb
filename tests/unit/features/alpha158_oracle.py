"""Alpha158 once more: one stock, one session, one window at a time, in plain Python. Slow, and meant to be read.

Gaps are None. Each session sees its history on its own share basis, from the stock's first trade of the last 120
sessions on; prices are rounded to 1e-9 yen and volumes to 1e-6 shares, so that what was equal before a split stays so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WINDOWS = (5, 10, 20, 30, 60)
EPSILON = 1e-12
Value = float | None
Series = list[Value]


@dataclass(frozen=True)
class Stock:
    """Bars of one stock as traded, oldest first."""

    open: Series
    high: Series
    low: Series
    close: Series
    volume: Series
    value: Series
    factor: list[float]


@dataclass(frozen=True)
class History:
    """What session t sees: its rows on the share basis of t, the last one t's own."""

    open: Series
    high: Series
    low: Series
    close: Series
    volume: Series
    value: Series


def alpha158(stock: Stock) -> list[dict[str, Value]]:
    """Every column of every session; None where unknown or infinite."""
    return [_finite(_session(history_at(stock, t))) for t in range(len(stock.close))]


def history_at(stock: Stock, t: int) -> History:
    """Rows of the stock up to t on the share basis of t."""
    first = max(t - 119, 0)
    while first < t and stock.close[first] is None:
        first += 1
    rows = range(first, t + 1)
    basis = {s: math.prod(stock.factor[s + 1 : t + 1]) for s in rows}
    traded = [stock.close[s] is not None for s in rows]

    def rescaled(series: Series, scale: Callable[[float], float], digits: int = 9) -> Series:
        out: Series = []
        for s, there in zip(rows, traded, strict=True):
            x = series[s]
            out.append(None if x is None or not there else round(x * scale(basis[s]), digits))
        return out

    return History(
        open=rescaled(stock.open, lambda b: b),
        high=rescaled(stock.high, lambda b: b),
        low=rescaled(stock.low, lambda b: b),
        close=rescaled(stock.close, lambda b: b),
        volume=rescaled(stock.volume, lambda b: 1 / b, 6),
        value=rescaled(stock.value, lambda b: 1.0),
    )


def _session(h: History) -> dict[str, Value]:
    close, volume = h.close, h.volume
    before, volume_before = [None, *close[:-1]], [None, *volume[:-1]]
    ratio = both(close, before, lambda a, b: a / b)
    growth = both(volume, volume_before, lambda a, b: math.log(a / b + 1) if b > 0 else None)
    weighted = both(ratio, volume, lambda r, v: abs(r - 1) * v)
    logs: Series = [None if v is None else math.log(v + 1) for v in volume]
    out = _day(h)
    for d in WINDOWS:
        c, w = close[-d:], volume[-d:]
        now, v = close[-1], None if volume[-1] is None else volume[-1] + EPSILON
        slope, r2, residual = trend(c)
        top, bottom = largest(h.high[-d:]), smallest(h.low[-d:])
        place, low_place = first_place(h.high[-d:], max), first_place(h.low[-d:], min)
        rows = len(c) if known(close) else 0
        up = [a is not None and b is not None and a > b for a, b in zip(close, before, strict=True)][-d:]
        down = [a is not None and b is not None and a < b for a, b in zip(close, before, strict=True)][-d:]
        out |= {
            f"roc{d}": over(close[-d - 1] if len(close) > d else None, now),
            f"ma{d}": over(mean(c), now),
            f"std{d}": over(std(c), now),
            f"beta{d}": over(slope, now),
            f"rsqr{d}": None if flat(c) else r2,
            f"resi{d}": over(residual, now),
            f"max{d}": over(top, now),
            f"min{d}": over(bottom, now),
            f"qtlu{d}": over(quantile(c, 0.8), now),
            f"qtld{d}": over(quantile(c, 0.2), now),
            f"rank{d}": rank(c),
            f"rsv{d}": over(minus(now, bottom), plus(minus(top, bottom), EPSILON)),
            f"imax{d}": over(place, d),
            f"imin{d}": over(low_place, d),
            f"imxd{d}": over(minus(place, low_place), d),
            f"corr{d}": correlation(c, logs[-d:]),
            f"cord{d}": correlation(ratio[-d:], growth[-d:]),
            f"cntp{d}": over(sum(up), rows),
            f"cntn{d}": over(sum(down), rows),
            f"cntd{d}": over(sum(up) - sum(down), rows),
            f"vma{d}": over(mean(w), v),
            f"vstd{d}": over(std(w), v),
            f"wvma{d}": over(std(weighted[-d:]), plus(mean(weighted[-d:]), EPSILON)),
        }
        out |= gains("", both(close, before, lambda a, b: a - b)[-d:], d)
        out |= gains("v", both(volume, volume_before, lambda a, b: a - b)[-d:], d)
    return out


def _day(h: History) -> dict[str, Value]:
    names = ("kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2", "open0", "high0", "low0")
    o, hi, lo, c = h.open[-1], h.high[-1], h.low[-1], h.close[-1]
    if o is None or hi is None or lo is None or c is None:
        return dict.fromkeys((*names, "vwap0"))
    spread = hi - lo + EPSILON
    up, down, shift = hi - max(o, c), min(o, c) - lo, 2 * c - hi - lo
    body = (c - o) / o, (hi - lo) / o, (c - o) / spread, up / o, up / spread, down / o, down / spread
    values = (*body, shift / o, shift / spread, o / c, hi / c, lo / c)
    return {**dict(zip(names, values, strict=True)), "vwap0": over(over(h.value[-1], h.volume[-1]), c)}


def known(x: Sequence[Value]) -> list[float]:
    """The observations."""
    return [value for value in x if value is not None]


def both(x: Series, y: Series, f: Callable[[float, float], Value]) -> Series:
    """Its value where both are there."""
    return [None if a is None or b is None else f(a, b) for a, b in zip(x, y, strict=True)]


def over(x: Value, y: Value) -> Value:
    """A quotient; None for 0 / 0 and x / 0."""
    return None if x is None or y is None or y == 0 else x / y


def minus(x: Value, y: Value) -> Value:
    """A difference."""
    return None if x is None or y is None else x - y


def plus(x: Value, y: float) -> Value:
    """A sum."""
    return None if x is None else x + y


def mean(x: Series) -> Value:
    """Mean of the observations."""
    seen = known(x)
    return math.fsum(seen) / len(seen) if seen else None


def std(x: Series) -> Value:
    """Deviation with ddof 1: 0 for equal observations, None for one."""
    seen = known(x)
    if len(seen) < 2:
        return None
    if min(seen) == max(seen):
        return 0.0
    middle = math.fsum(seen) / len(seen)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in seen) / (len(seen) - 1))


def flat(x: Series) -> bool:
    """Qlib's rule: np.isclose(std, 0, atol=2e-5)."""
    deviation = std(x)
    return deviation is not None and deviation <= 2e-5


def largest(x: Series) -> Value:
    """Maximum of the observations."""
    return max(known(x), default=None)


def smallest(x: Series) -> Value:
    """Minimum of the observations."""
    return min(known(x), default=None)


def first_place(x: Series, extreme: Callable[[Sequence[float]], float]) -> Value:
    """The place (argmax + 1) of the first gap or, without one, of the first extreme."""
    if not known(x):
        return None
    return float(x.index(None) + 1 if None in x else x.index(extreme(known(x))) + 1)


def quantile(x: Series, q: float) -> Value:
    """Linear interpolation between the observations in order."""
    ordered = sorted(known(x))
    if not ordered:
        return None
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def rank(x: Series) -> Value:
    """Average rank of the last over the number of observations."""
    last, seen = x[-1], known(x)
    if last is None:
        return None
    less, equal = sum(value < last for value in seen), sum(value == last for value in seen)
    return (less + (equal + 1) / 2) / len(seen)


def trend(x: Series) -> tuple[Value, Value, Value]:
    """Slope, R squared and last residual of the observations on their place in the window."""
    pairs = [(float(i), value) for i, value in enumerate(x) if value is not None]
    if len(pairs) < 2:
        return None, None, None
    place, value = (math.fsum(pair[k] for pair in pairs) / len(pairs) for k in (0, 1))
    pp = math.fsum((p - place) ** 2 for p, _ in pairs)
    pv = math.fsum((p - place) * (v - value) for p, v in pairs)
    vv = math.fsum((v - value) ** 2 for _, v in pairs)
    slope = pv / pp
    residual = minus(x[-1], value + slope * (len(x) - 1 - place))
    return slope, over(pv * pv, pp * vv), residual


def correlation(x: Series, y: Series) -> Value:
    """Pearson's of the common observations; None where either series alone is flat."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if flat(x) or flat(y) or len(pairs) < 2:
        return None
    mx, my = (math.fsum(pair[k] for pair in pairs) / len(pairs) for k in (0, 1))
    xx, yy = math.fsum((a - mx) ** 2 for a, _ in pairs), math.fsum((b - my) ** 2 for _, b in pairs)
    return over(math.fsum((a - mx) * (b - my) for a, b in pairs), math.sqrt(xx * yy))


def gains(prefix: str, change: Series, d: int) -> dict[str, Value]:
    """Rises, falls and their difference over the sum of both."""
    seen = known(change)
    if not seen:
        return dict.fromkeys((f"{prefix}sump{d}", f"{prefix}sumn{d}", f"{prefix}sumd{d}"))
    up, down = math.fsum(max(x, 0.0) for x in seen), math.fsum(max(-x, 0.0) for x in seen)
    total = up + down + EPSILON
    return {f"{prefix}sump{d}": up / total, f"{prefix}sumn{d}": down / total, f"{prefix}sumd{d}": (up - down) / total}


def _finite(row: dict[str, Value]) -> dict[str, Value]:
    return {name: value if value is not None and math.isfinite(value) else None for name, value in row.items()}
