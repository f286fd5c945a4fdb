"""The daily price limit of the Tokyo Stock Exchange: how far a price may move from its base in one session.

Source: JPX, "Trading Rules of Domestic Stocks", daily price limits; one table since the trading system of
2010-01-04. Not covered: a limit broadened to four times after two sessions at the limit without a proper close, and
a base price taken from a special quote instead of the last close.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def price_limit(base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Yen that a price may be above or below `base` (last close on today's share basis); NaN for NaN."""
    width = WIDTH[np.searchsorted(BASE_BELOW, np.nan_to_num(base), side="right")]
    return np.where(np.isfinite(base), width, np.nan)
