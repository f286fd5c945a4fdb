"""Price technicals of one stock: past returns, oscillators, trend, gaps.

Missing data: what compares with the day's price is null on a session without trade; a window uses the sessions that
traded and needs at least half of them. Wilder's smoothing of n is an exponential mean of span 2n - 1.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import STALE_AFTER, Panel
from atft_pipeline.features.windows import (
    EMA_SPANS,
    Array,
    exponential_mean,
    lag,
    window_max,
    window_mean,
    window_min,
    window_std,
)

RETURN = STALE_AFTER + 1
"""Warm-up of a daily return: its base may be this many sessions old."""

MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
LONGEST_STREAK = 20


def past_return(panel: Panel, *, sessions: int) -> Array:
    """Return of the last `sessions` sessions."""
    return panel.prices.past_return(sessions)


def wilder_mean(x: Array, n: int) -> Array:
    """Wilder's smoothing of n sessions, over a finite window."""
    return exponential_mean(x, 2 * n - 1)


def relative_strength_index(panel: Panel, *, n: int) -> Array:
    """RSI on the scale 0..1; null where the price never moved."""
    change = (panel.prices.close - panel.prices.previous_close) / panel.prices.basis
    gain, loss = (wilder_mean(np.maximum(side, 0.0), n) for side in (change, -change))
    moved = np.where(np.isnan(change) | (gain + loss <= 0), np.nan, gain + loss)
    return np.asarray(gain / moved)


def macd(panel: Panel) -> tuple[Array, Array]:
    """MACD line and its signal, both as shares of the close."""

    def made() -> tuple[Array, Array]:
        level = panel.prices.level
        line = exponential_mean(level, MACD_FAST) - exponential_mean(level, MACD_SLOW)
        return line / level, exponential_mean(line, MACD_SIGNAL) / level

    return panel.once("macd", made)


def bollinger(panel: Panel) -> tuple[Array, Array]:
    """Position in the band (-1 lower edge, 1 upper edge) and the band's width as a share of its middle."""

    def made() -> tuple[Array, Array]:
        level = panel.prices.level
        middle, deviation = window_mean(level, 20), window_std(level, 20)
        position = (level - middle) / np.where(deviation > 0, 2 * deviation, np.nan)
        return position, np.where(np.isnan(level), np.nan, 4 * deviation / middle)

    return panel.once("bollinger", made)


def true_range(panel: Panel) -> Array:
    """Wilder's true range on one share basis [D, C]."""
    prices = panel.prices
    high, low = np.fmax(prices.high, prices.previous_close), np.fmin(prices.low, prices.previous_close)
    return np.where(np.isnan(prices.previous_close), np.nan, (high - low) / prices.basis)


def average_true_range(panel: Panel) -> Array:
    """ATR 14 as a share of the close."""
    return wilder_mean(true_range(panel), 14) * panel.prices.basis / panel.prices.close


def average_directional_index(panel: Panel) -> Array:
    """ADX 10 on the scale 0..1."""
    prices = panel.prices
    # In yen of the day and without the rounding of floats, a move up that equals the move down is seen to be equal.
    up = np.round(prices.high - lag(prices.high, 1) * prices.factor, 6)
    down = np.round(lag(prices.low, 1) * prices.factor - prices.low, 6)
    plus = np.where(np.isnan(up), np.nan, np.where((up > down) & (up > 0), up, 0.0))
    minus = np.where(np.isnan(up), np.nan, np.where((down > up) & (down > 0), down, 0.0))
    # The true range divides both sides alike, so it cancels out of the ratio below.
    plus, minus = wilder_mean(plus / prices.basis, 10), wilder_mean(minus / prices.basis, 10)
    total = np.where(plus + minus > 0, plus + minus, np.nan)
    return np.where(np.isnan(prices.close), np.nan, wilder_mean(np.abs(plus - minus) / total, 10))


def stochastic(panel: Panel) -> Array:
    """Place of the close between the lowest low and the highest high of 14 sessions, 0..1."""
    prices = panel.prices
    low, high = window_min(prices.low / prices.basis, 14), window_max(prices.high / prices.basis, 14)
    return np.asarray((prices.level - low) / np.where(high > low, high - low, np.nan))


def stochastic_signal(panel: Panel) -> Array:
    """The stochastic's mean over 3 sessions."""
    return np.where(np.isnan(panel.prices.close), np.nan, window_mean(stochastic(panel), 3))


def ema_distance(panel: Panel, *, span: int) -> Array:
    """Close over its exponential mean, minus 1."""
    return panel.prices.level / exponential_mean(panel.prices.level, span) - 1.0


def ema_slope(panel: Panel, *, span: int) -> Array:
    """Log growth of an exponential mean over 5 sessions."""
    mean = exponential_mean(panel.prices.level, span)
    return np.where(np.isnan(panel.prices.close), np.nan, np.log(mean / lag(mean, 5)))


def overnight_return(panel: Panel) -> Array:
    """From the last close to the open."""
    return panel.prices.open / panel.prices.previous_close - 1.0


def intraday_return(panel: Panel) -> Array:
    """From the open to the close."""
    return panel.prices.close / panel.prices.open - 1.0


def gap_fill(panel: Panel) -> Array:
    """Share of the overnight gap that the session took back, 0..1; 1 where there was no gap."""
    prices = panel.prices
    gap = prices.open - prices.previous_close
    back = np.where(gap > 0, prices.open - prices.low, prices.high - prices.open)
    share = np.clip(back / np.where(gap == 0, np.nan, np.abs(gap)), 0.0, 1.0)
    return np.where(gap == 0, 1.0, share)


def streak(panel: Panel) -> Array:
    """Sessions in a row in the direction of today's return, signed; 0 for an unchanged price."""
    direction = np.sign(panel.prices.daily_return)
    running = np.ones(direction.shape, dtype=np.bool_)
    count = np.zeros_like(direction)
    for back in range(LONGEST_STREAK):
        running &= lag(direction, back) == direction
        count += running
    return direction * count


LOST, IN_A_SESSION = -0.99, 31.0
"""A price of 1 yen may rise by 30 in a session, and fall to 1 again: such stocks exist before they are delisted."""

_column = partial(
    Column,
    family="technical",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    max_null_share=0.1,
    min_active_share=0.95,
    endpoints=("daily_bars",),
    as_of="bars with Date <= t",
)

_PAST_RETURNS = tuple(
    Feature(
        _column(
            name=f"return_{n}",
            valid_range=(LOST, limit),
            max_null_share=nulls,
            warmup=n + STALE_AFTER,
            formula=f"C_t / (C_(t-{n}) prod A_(t-{n - 1})..A_t) - 1; the last close before stands for a missing one",
            return_like=n == 1,
        ),
        partial(past_return, sessions=n),
    )
    for n, limit, nulls in (
        (1, IN_A_SESSION, 0.1),
        (5, 49.0, 0.1),
        (10, 99.0, 0.1),
        (20, 199.0, 0.1),
        (60, 299.0, 0.1),
        (120, 499.0, 0.2),
    )
)

_OSCILLATORS = (
    *(
        Feature(
            _column(
                name=f"rsi_{n}",
                valid_range=(0.0, 1.0),
                warmup=EMA_SPANS * (2 * n - 1) - 1 + RETURN,
                formula=f"G / (G + L), Wilder means of {n} of gains and losses of C on one share basis",
            ),
            partial(relative_strength_index, n=n),
        )
        for n in (2, 14)
    ),
    Feature(
        _column(
            name="macd_line",
            valid_range=(-3.0, 0.9),
            warmup=EMA_SPANS * MACD_SLOW - 1,
            formula="(EMA12(C) - EMA26(C)) / C_t",
        ),
        lambda panel: macd(panel)[0],
    ),
    Feature(
        _column(
            name="macd_signal",
            valid_range=(-3.0, 1.5),
            warmup=EMA_SPANS * (MACD_SLOW + MACD_SIGNAL) - 2,
            formula="EMA9(EMA12(C) - EMA26(C)) / C_t",
        ),
        lambda panel: macd(panel)[1],
    ),
    Feature(
        _column(
            name="macd_histogram",
            valid_range=(-3.0, 0.9),
            warmup=EMA_SPANS * (MACD_SLOW + MACD_SIGNAL) - 2,
            formula="macd_line - macd_signal",
        ),
        lambda panel: np.subtract(*macd(panel)),
    ),
    Feature(
        _column(
            name="bollinger_position",
            valid_range=(-2.2, 2.2),
            warmup=19,
            formula="(C_t - mean20(C)) / (2 std20(C)); null if the price never moved",
        ),
        lambda panel: bollinger(panel)[0],
    ),
    Feature(
        _column(name="bollinger_width", valid_range=(0.0, 12.0), warmup=19, formula="4 std20(C) / mean20(C)"),
        lambda panel: bollinger(panel)[1],
    ),
)

_TREND = (
    Feature(
        _column(
            name="atr_14",
            valid_range=(0.0, 3.0),
            warmup=EMA_SPANS * 27 - 1 + RETURN,
            formula="Wilder mean of 14 of max(H, C_prev) - min(L, C_prev), / C_t",
        ),
        average_true_range,
    ),
    Feature(
        _column(
            name="adx_10",
            valid_range=(0.0, 1.0),
            warmup=2 * (EMA_SPANS * 19 - 1) + 1,
            formula="Wilder mean of 10 of |P - M| / (P + M); P, M Wilder means of 10 of the directional moves",
        ),
        average_directional_index,
    ),
    Feature(
        _column(
            name="stochastic_14",
            valid_range=(0.0, 1.0),
            warmup=13,
            formula="(C_t - min14(L)) / (max14(H) - min14(L))",
        ),
        stochastic,
    ),
    Feature(
        _column(
            name="stochastic_signal",
            valid_range=(0.0, 1.0),
            warmup=15,
            formula="mean3(stochastic_14), with a trade at t",
        ),
        stochastic_signal,
    ),
    Feature(
        _column(
            name="ema_distance_100",
            valid_range=(-0.98, 49.0),
            max_null_share=0.2,
            warmup=EMA_SPANS * 100 - 1,
            formula="C_t / EMA100(C) - 1",
        ),
        partial(ema_distance, span=100),
    ),
    *(
        Feature(
            _column(
                name=f"ema_slope_{span}",
                valid_range=(-2.0, 2.0),
                warmup=EMA_SPANS * span - 1 + 5,
                formula=f"ln(EMA{span}(C)_t / EMA{span}(C)_(t-5))",
            ),
            partial(ema_slope, span=span),
        )
        for span in (20, 50)
    ),
)

_DAY = (
    Feature(
        _column(
            name="overnight_return",
            valid_range=(LOST, IN_A_SESSION),
            warmup=RETURN,
            formula="O_t / C_prev - 1, C_prev the last close on the share basis of t",
            return_like=True,
        ),
        overnight_return,
    ),
    Feature(
        _column(
            name="intraday_return",
            valid_range=(LOST, 2 * IN_A_SESSION),
            warmup=0,
            formula="C_t / O_t - 1",
            return_like=True,
        ),
        intraday_return,
    ),
    Feature(
        _column(
            name="gap_fill",
            kind="rank_gauss",
            valid_range=(0.0, 1.0),
            warmup=RETURN,
            formula="gap up: min(1, (O - L) / (O - C_prev)); gap down: min(1, (H - O) / (C_prev - O)); no gap: 1",
        ),
        gap_fill,
    ),
    Feature(
        _column(
            name="streak",
            kind="rank_gauss",
            valid_range=(-float(LONGEST_STREAK), float(LONGEST_STREAK)),
            warmup=LONGEST_STREAK - 1 + RETURN,
            formula=f"sign(r_t) times the sessions in a row with that sign, at most {LONGEST_STREAK}",
        ),
        streak,
    ),
)

FEATURES: tuple[Feature, ...] = (*_PAST_RETURNS, *_OSCILLATORS, *_TREND, *_DAY)
