"""How much of one stock is traded, and how hard it is to trade. Value in yen, volume in shares.

Missing data: a session without trade has no value and no volume; windows use the sessions that traded and need at
least half of them. Shares outstanding are not among the prices, so there is no turnover rate.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.cross_section import quintile
from atft_pipeline.features.panel import STALE_AFTER, Panel
from atft_pipeline.features.price_limits import lower_limit_hit, upper_limit_hit
from atft_pipeline.features.windows import Array, lag, window_age, window_count, window_mean, window_median

RETURN = STALE_AFTER + 1
"""Warm-up of a daily return: its base may be this many sessions old."""


def log_trading_value(panel: Panel) -> Array:
    """Log of the mean yen traded in 20 sessions."""
    return _log(window_mean(panel.prices.value, 20))


def amihud(panel: Panel) -> Array:
    """Amihud (2002): log of the mean absolute return per billion yen traded."""
    value = panel.prices.value / 1e9
    return _log(window_mean(np.abs(panel.prices.daily_return) / np.where(value > 0, value, np.nan), 20))


def trading_value_ratio(panel: Panel) -> Array:
    """Log of the mean yen traded in 5 sessions over that of 60."""
    return _log(window_mean(panel.prices.value, 5)) - _log(window_mean(panel.prices.value, 60))


def volume_surprise(panel: Panel) -> Array:
    """Log of the day's volume over the mean of the 20 sessions before, on one share basis."""
    volume = panel.prices.volume * panel.prices.basis
    return _log(volume) - _log(lag(window_mean(volume, 20), 1))


def zero_trade_days(panel: Panel) -> Array:
    """Share of sessions without trade since the first trade within 60 sessions; null if there was none."""
    close = panel.prices.close
    return 1.0 - window_count(close, 60) / window_age(close, 60)


def limit_up_hit(panel: Panel) -> Array:
    """1 if the day's high was at the upper price limit."""
    return upper_limit_hit(panel.prices)


def limit_down_hit(panel: Panel) -> Array:
    """1 if the day's low was at the lower price limit."""
    return lower_limit_hit(panel.prices)


def size_class(panel: Panel) -> Array:
    """Quintile of the median yen traded in 60 sessions, within the day's universe: 1 small .. 5 large."""
    return quintile(window_median(panel.prices.value, 60), panel.member)


def _log(x: Array) -> Array:
    return np.log(np.where(x > 0, x, np.nan))


_column = partial(
    Column,
    family="liquidity",
    dtype="Float32",
    scope="stock",
    kind="robust_z",
    max_null_share=0.1,
    min_active_share=0.95,
    endpoints=("daily_bars",),
    as_of="bars with Date <= t",
)

FEATURES: tuple[Feature, ...] = (
    Feature(
        _column(name="log_trading_value_20", valid_range=(0.0, 32.0), warmup=19, formula="ln(mean20(Va))"),
        log_trading_value,
    ),
    Feature(
        _column(
            name="amihud_20",
            valid_range=(-20.0, 20.0),
            warmup=19 + RETURN,
            formula="ln(mean20(|r| / (Va / 1e9)))",
        ),
        amihud,
    ),
    Feature(
        _column(name="trading_value_ratio", valid_range=(-8.0, 3.0), warmup=59, formula="ln(mean5(Va) / mean60(Va))"),
        trading_value_ratio,
    ),
    Feature(
        _column(
            name="volume_surprise",
            valid_range=(-14.0, 14.0),
            warmup=20,
            formula="ln(Vo_t / mean20(Vo)_(t-1)), volumes on one share basis",
        ),
        volume_surprise,
    ),
    Feature(
        _column(
            name="zero_trade_days_60",
            kind="rank_gauss",
            valid_range=(0.0, 1.0),
            min_active_share=0.0,  # in a universe of large stocks months pass without a halt
            warmup=59,
            formula="sessions without trade / sessions, since the first trade within 60 sessions",
        ),
        zero_trade_days,
    ),
    *(
        Feature(
            _column(
                name=f"limit_{side}_hit",
                kind="flag",
                valid_range=(0.0, 1.0),
                min_active_share=0.002,  # a dead flag is found, a calm market of 250 names (.01) passes
                warmup=RETURN,
                formula=f"{field} of the source; where it has none: {price} at C_prev {sign} the dated price limit",
            ),
            compute,
        )
        for side, field, price, sign, compute in (
            ("up", "UL", "H", "+", limit_up_hit),
            ("down", "LL", "L", "-", limit_down_hit),
        )
    ),
    Feature(
        _column(
            name="size_class",
            kind="rank_gauss",
            valid_range=(1.0, 5.0),
            warmup=59,
            endpoints=("daily_bars", "equities_master"),
            formula="quintile of median60(Va) within universe(t)",
        ),
        size_class,
    ),
)
