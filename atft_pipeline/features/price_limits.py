"""The daily price limit of the Tokyo Stock Exchange: how far a price may move in one session, and who reached it.

Source: JPX, "Trading Rules of Domestic Stocks", daily price limits; one table since the trading system of
2010-01-04. Not covered: a limit broadened to four times after two sessions at the limit without a proper close, a
base price taken from a special quote instead of the last close, and the tick that a limit price is rounded to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atft_pipeline.features.panel import Prices
from atft_pipeline.features.windows import Array

_STEPS = np.array([1, 1.5, 2, 3, 5, 7])
_WIDTHS = np.array([0.3, 0.4, 0.5, 0.7, 1.0, 1.5])
_POWERS = 10.0 ** np.arange(3, 8)

BASE_BELOW: NDArray[np.float64] = np.concatenate(
    [[100, 200, 500, 700, 1000], *(power * np.append(_STEPS[1:], 10) for power in _POWERS[:-1]), [1.5e7, 2e7, 3e7, 5e7]]
)
"""Upper end of each step, yen: below 100, below 200, ... below 50,000,000."""

WIDTH: NDArray[np.float64] = np.concatenate(
    [[30, 50, 80, 100, 150], *(power * _WIDTHS for power in _POWERS[:-1]), 1e7 * np.array([0.3, 0.4, 0.5, 0.7, 1.0])]
)
"""Limit in yen of each step; the last holds from 50,000,000 up."""

HALF_TICK = 0.05
"""Half of the smallest tick, yen: a difference of floats, or a base after a split, lies beside the tick it means."""


def price_limit(base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yen that a price may be above or below `base` (last close on today's share basis); NaN for NaN."""
    width = WIDTH[np.searchsorted(BASE_BELOW, np.nan_to_num(base), side="right")]
    return np.where(np.isfinite(base), width, np.nan)


def upper_limit_hit(prices: Prices) -> Array:
    """1 if the session's high was at the upper price limit, else 0 [D, C]: UL of the source where it has one.

    Else `H_s >= B_s + price_limit(B_s)`, `B_s` the last close before s on the share basis of s.

    Missing data: NaN where the source has no flag and there is no trade or no `B_s`. As-of rule: bars up to s.
    """
    return _hit(prices, prices.limit_up, prices.high - prices.previous_close)


def lower_limit_hit(prices: Prices) -> Array:
    """1 if the session's low was at the lower price limit, else 0 [D, C]: as `upper_limit_hit`, by LL and L."""
    return _hit(prices, prices.limit_down, prices.previous_close - prices.low)


def _hit(prices: Prices, by_source: Array, move: Array) -> Array:
    by_table = move >= price_limit(prices.previous_close + HALF_TICK) - HALF_TICK
    known = np.isfinite(prices.previous_close) & np.isfinite(prices.close)
    return np.where(np.isfinite(by_source), by_source, np.where(known, by_table.astype(np.float64), np.nan))
