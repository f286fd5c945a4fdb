"""Which stocks could not be traded on a session that others traded on: suspended ones, and ones locked at a limit.

As-of rule: both say of session s what its bars say. Who needs to know it on the evening before t reads it at
`last_traded`: the last session before t on which anything traded, so that an outage of the exchange hides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.features.panel import Prices
from atft_pipeline.features.price_limits import lower_limit_hit, upper_limit_hit
from atft_pipeline.features.windows import Array


def suspended(prices: Prices, age: Array) -> NDArray[np.bool_]:
    """No trade, though the stock has traded before [D, C]: `C_s` is missing and `age_s` is known.

    Bars do not tell a halt by the exchange from a day without a match, be it for want of orders or because the stock
    was only quoted at its limit: all of them are meant.

    Missing data: False before the first trade, and where that lies farther back than `age` looks.

    Args:
        prices: bars of the sessions.
        age: sessions since the first trade, that one counted [D, C]; NaN without any.
    """
    return np.isfinite(age) & np.isnan(prices.close)


def limit_locked(prices: Prices) -> NDArray[np.bool_]:
    """The whole session at one price, and that one the price limit [D, C]: nobody could trade against it.

    `H_s = L_s = C_s`, and `upper_limit_hit` or `lower_limit_hit` is 1: by UL and LL where the source has them, else by
    the table at the last close before s on the share basis of s. One trade all day, at the limit, is locked too.

    Missing data: False without a trade, and where neither the source nor a close before s tells the limit.
    """
    one_price = (prices.high == prices.low) & (prices.close == prices.high)
    return np.asarray(one_price & ((upper_limit_hit(prices) == 1) | (lower_limit_hit(prices) == 1)))


def last_traded(bars: pl.LazyFrame, sessions: Sequence[date]) -> NDArray[np.int64]:
    """Position of the last session before each on which anything traded [D]; -1 if there is none.

    All bars count, not only those of the stocks asked about: what the exchange did does not depend on the question.
    """
    price = pl.col("C").is_finite() & (pl.col("C") > 0)
    days = bars.filter(pl.col("Date").is_between(sessions[0], sessions[-1]), price).select("Date").unique().collect()
    traded = pl.Series("Date", list(sessions), dtype=pl.Date).is_in(days["Date"].implode()).to_numpy()
    upto = np.maximum.accumulate(np.where(traded, np.arange(len(sessions)), -1))
    return np.concatenate([[-1], upto[:-1]])
