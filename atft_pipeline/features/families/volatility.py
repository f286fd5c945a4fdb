"""How much one stock moves: deviations of returns, range estimators, their shape.

Missing data: windows use the sessions that traded and need at least half of them; `range_20` is null without a
trade on the day. All are per session, not per year.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import STALE_AFTER, Panel, Prices
from atft_pipeline.features.windows import Array, window_max, window_mean, window_min, window_skew, window_std

RETURN = STALE_AFTER + 1
"""Warm-up of a daily return: its base may be this many sessions old."""


def log_return(panel: Panel) -> Array:
    """`ln(1 + r)` of the daily returns."""
    return panel.once("log_return", lambda: np.log1p(panel.prices.daily_return))


def volatility(panel: Panel, *, sessions: int) -> Array:
    """Standard deviation of daily log returns."""
    return panel.once(("volatility", sessions), lambda: window_std(log_return(panel), sessions))


def parkinson(panel: Panel) -> Array:
    """Parkinson (1980), from the range of each session."""
    squared_range: Array = np.log(panel.prices.high / panel.prices.low) ** 2
    return np.sqrt(window_mean(squared_range, 20) / (4 * math.log(2.0)))


def _rogers_satchell_terms(prices: Prices) -> Array:
    high, low = np.log(prices.high), np.log(prices.low)
    start, end = np.log(prices.open), np.log(prices.close)
    return np.asarray((high - end) * (high - start) + (low - end) * (low - start))


def _rogers_satchell_variance(panel: Panel) -> Array:
    return panel.once("rogers_satchell", lambda: window_mean(_rogers_satchell_terms(panel.prices), 20))


def rogers_satchell(panel: Panel) -> Array:
    """Rogers and Satchell (1991), free of the drift within the session."""
    return np.sqrt(np.maximum(_rogers_satchell_variance(panel), 0.0))


def yang_zhang(panel: Panel) -> Array:
    """Yang and Zhang (2000): overnight, open-to-close and Rogers-Satchell variance."""
    prices, n = panel.prices, 20
    overnight = window_std(np.log(prices.open / prices.previous_close), n) ** 2
    daytime = window_std(np.log(prices.close / prices.open), n) ** 2
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return np.sqrt(np.maximum(overnight + k * daytime + (1 - k) * _rogers_satchell_variance(panel), 0.0))


def volatility_of_volatility(panel: Panel) -> Array:
    """Coefficient of variation of the 20-session volatility over 60 sessions."""
    level = volatility(panel, sessions=20)
    mean = window_mean(level, 60)
    return window_std(level, 60) / np.where(mean > 0, mean, np.nan)


def downside_volatility(panel: Panel) -> Array:
    """Root mean square of the negative part of daily returns."""
    return np.sqrt(window_mean(np.minimum(panel.prices.daily_return, 0.0) ** 2, 20))


def skew(panel: Panel) -> Array:
    """Skewness of daily log returns."""
    return window_skew(log_return(panel), 60)


def price_range(panel: Panel) -> Array:
    """Highest high minus lowest low as a share of the close."""
    prices = panel.prices
    high, low = window_max(prices.high / prices.basis, 20), window_min(prices.low / prices.basis, 20)
    return (high - low) / (prices.close / prices.basis)


_column = partial(
    Column,
    family="volatility",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    valid_range=(0.0, 1.0),
    max_null_share=0.1,
    min_active_share=0.95,
    endpoints=("daily_bars",),
    as_of="bars with Date <= t",
)

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            _column(name=f"volatility_{n}", warmup=n - 1 + RETURN, formula=f"std{n}(ln(1 + r))"),
            partial(volatility, sessions=n),
        )
        for n in (5, 20, 60)
    ),
    Feature(
        _column(name="parkinson_20", warmup=19, formula="sqrt(mean20(ln(H/L)^2) / (4 ln 2))"),
        parkinson,
    ),
    Feature(
        _column(name="rogers_satchell_20", warmup=19, formula="sqrt(mean20(ln(H/C) ln(H/O) + ln(L/C) ln(L/O)))"),
        rogers_satchell,
    ),
    Feature(
        _column(
            name="yang_zhang_20",
            warmup=19 + RETURN,
            formula="sqrt(var20(ln(O/C_prev)) + k var20(ln(C/O)) + (1-k) rogers_satchell_20^2), k = .34/(1.34 + 21/19)",
        ),
        yang_zhang,
    ),
    Feature(
        _column(
            name="volatility_of_volatility_60",
            valid_range=(0.0, 8.0),
            warmup=59 + 19 + RETURN,
            formula="std60(volatility_20) / mean60(volatility_20)",
        ),
        volatility_of_volatility,
    ),
    Feature(
        _column(name="downside_volatility_20", warmup=19 + RETURN, formula="sqrt(mean20(min(r, 0)^2))"),
        downside_volatility,
    ),
    Feature(
        _column(
            name="skew_60", valid_range=(-8.0, 8.0), warmup=59 + RETURN, formula="m3 / m2^1.5 of ln(1 + r), 60 sessions"
        ),
        skew,
    ),
    Feature(
        _column(name="range_20", valid_range=(0.0, 20.0), warmup=19, formula="(max20(H) - min20(L)) / C_t"),
        price_range,
    ),
)
