"""State of the whole market, from TOPIX: the same value for every stock of a day.

Missing data: null on a session without an index value; windows need half of their sessions. Deviations of returns
use returns between neighbouring sessions only.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import STALE_AFTER, Panel
from atft_pipeline.features.windows import (
    EMA_SPANS,
    Array,
    exponential_mean,
    window_max,
    window_mean,
    window_std,
)

YEAR = 252


def index_return(panel: Panel, *, sessions: int) -> Array:
    """Return of the index over the last `sessions` sessions [D, 1]."""
    return panel.topix.past_return(sessions)


def index_gap(panel: Panel) -> Array:
    """From the index's last close to its open [D, 1]."""
    return panel.topix.open / panel.topix.previous_close - 1.0


def ema_deviation(panel: Panel, *, span: int) -> Array:
    """Close over its exponential mean [D, 1]."""
    return panel.topix.close / exponential_mean(panel.topix.close, span) - 1.0


def index_volatility(panel: Panel, *, sessions: int) -> Array:
    """Standard deviation of the index's daily log returns [D, 1]."""
    return window_std(np.log1p(panel.topix.session_return), sessions)


def drawdown(panel: Panel) -> Array:
    """Close over the highest close of 252 sessions [D, 1]."""
    return panel.topix.close / window_max(panel.topix.close, YEAR) - 1.0


def year_z(x: Array) -> Array:
    """`x` minus its mean, over its deviation, of 252 sessions [D, 1]; null where it never varied."""
    deviation = window_std(x, YEAR)
    return (x - window_mean(x, YEAR)) / np.where(deviation > 0, deviation, np.nan)


def _indicator(condition: NDArray[np.bool_], *known: Array) -> Array:
    return np.where(np.isfinite(np.sum(known, axis=0)), condition.astype(np.float64), np.nan)


def trend_up(panel: Panel) -> Array:
    """1 while the 20-span exponential mean is above the 50-span one [D, 1]."""
    fast, slow = exponential_mean(panel.topix.close, 20), exponential_mean(panel.topix.close, 50)
    return _indicator(fast > slow, fast, slow)


def volatility_high(panel: Panel) -> Array:
    """1 while the 20-session volatility is above the year's [D, 1]."""
    short, long = index_volatility(panel, sessions=20), index_volatility(panel, sessions=YEAR)
    return _indicator(short > long, short, long)


_column = partial(
    Column,
    family="market",
    dtype="Float32",
    scope="market",
    kind="time_series",
    max_null_share=0.02,
    min_active_share=0.0,
    endpoints=("topix",),
    as_of="TOPIX with Date <= t",
)

FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            _column(
                name=f"topix_return_{n}",
                valid_range=(-0.7, 0.7),
                warmup=n + STALE_AFTER,
                formula=f"I_t / I_(t-{n}) - 1, I the close",
            ),
            partial(index_return, sessions=n),
        )
        for n in (1, 5, 10, 20)
    ),
    Feature(
        _column(name="topix_gap", valid_range=(-0.3, 0.3), warmup=STALE_AFTER + 1, formula="open / I_(t-1) - 1"),
        index_gap,
    ),
    *(
        Feature(
            _column(
                name=f"topix_ema_deviation_{span}",
                valid_range=(-0.7, 0.7),
                warmup=EMA_SPANS * span - 1,
                formula=f"I_t / EMA{span}(I) - 1",
            ),
            partial(ema_deviation, span=span),
        )
        for span in (10, 20, 50)
    ),
    *(
        Feature(
            _column(
                name=f"topix_volatility_{n}",
                valid_range=(0.0, 0.2),
                warmup=n,
                formula=f"std{n}(ln(1 + r)), per session",
            ),
            partial(index_volatility, sessions=n),
        )
        for n in (20, 60)
    ),
    Feature(
        _column(name="topix_drawdown_252", valid_range=(-0.9, 0.0), warmup=YEAR - 1, formula="I_t / max252(I) - 1"),
        drawdown,
    ),
    *(
        Feature(
            _column(
                name=f"topix_{name}_z_252",
                valid_range=(-17.0, 17.0),
                warmup=YEAR - 1 + before,
                formula=f"(x - mean252(x)) / std252(x), x = {formula}",
            ),
            compute,
        )
        for name, before, formula, compute in (
            ("return", 1, "r_t", lambda panel: year_z(panel.topix.session_return)),
            ("level", 0, "I_t", lambda panel: year_z(panel.topix.close)),
            ("range", 0, "ln(high / low)", lambda panel: year_z(np.log(panel.topix.high / panel.topix.low))),
        )
    ),
    Feature(
        _column(
            name="topix_trend_up",
            kind="flag",
            valid_range=(0.0, 1.0),
            warmup=EMA_SPANS * 50 - 1,
            formula="EMA20(I) > EMA50(I)",
        ),
        trend_up,
    ),
    Feature(
        _column(
            name="topix_volatility_high",
            kind="flag",
            valid_range=(0.0, 1.0),
            warmup=YEAR,
            formula="std20(ln(1 + r)) > std252(ln(1 + r))",
        ),
        volatility_high,
    ),
)
