"""Forward returns: what the model is to rank, and how a portfolio would have fared.

Only this file looks past t. A label of horizon h occupies the sessions [t, t+h] of the exchange's calendar, whatever
the stock did in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.panel import Prices, grid, positions
from atft_pipeline.features.windows import Array


def compute_targets(
    bars: pl.LazyFrame,
    calendar: TradingCalendar,
    universe: pl.DataFrame,
    horizons: Sequence[int],
    start: date,
    end: date,
) -> pl.DataFrame:
    """Forward returns of the universe's members over [start, end], point-in-time adjusted.

    `close_h = C_{t+h} / (C_t prod_{k=1..h} A_{t+k}) - 1` and
    `next_open_h = C_{t+h} / (O_{t+1} prod_{k=2..h} A_{t+k}) - 1`, A the AdjFactor, 1 where a row is absent.

    Missing data: without a trade on t+h the exit is the last close in (t, t+h], flagged `stale_exit_h`. A code that
    has no row from some session of the interval on, while the market has later ones, exits at its last trade, flagged
    `delisted_h` (leaving it out would select on the future). Null: no close on t (close), no open on t+1
    (next_open), nothing to exit at, or t+h lies after the last session that has bars. Nothing is filled with 0.

    Args:
        bars: Date, Code, O, C, AdjFactor, from `start` to as far behind `end` as there is.
        calendar: sessions over the same period.
        universe: Date, Code, in_universe.
        horizons: in sessions.
        start: first day.
        end: last day, included.

    Returns:
        Date, Code and, for each h, close_h, next_open_h (Float64), stale_exit_h, delisted_h; sorted by (Date, Code).
    """
    members = universe.filter(pl.col("in_universe"), pl.col("Date").is_between(start, end)).select("Date", "Code")
    last = bars.select(pl.col("Date").max()).collect().item()
    sessions = calendar.between(start, max(end, last) if last is not None else end)
    members = members.filter(pl.col("Date").is_in(list(sessions))).sort("Date", "Code")
    codes = members["Code"].unique().sort().to_list()
    prices = grid(bars.select("Date", "Code", "O", "C", "AdjFactor"), sessions, codes)
    last_row = _last_rows(bars, sessions, codes)
    n_known = len(calendar.between(start, last)) if last is not None else 0
    rows = positions(members, sessions, codes)
    columns: dict[str, NDArray[np.float64] | NDArray[np.bool_]] = {}
    for h in horizons:
        columns |= _of_horizon(prices, last_row, n_known, h, rows)
    return members.with_columns(
        pl.Series(name, values).fill_nan(None) if values.dtype.kind == "f" else pl.Series(name, values)
        for name, values in columns.items()
    )


def _of_horizon(
    prices: Prices, last_row: NDArray[np.int64], n_known: int, h: int, rows: tuple[NDArray[np.int64], ...]
) -> dict[str, NDArray[np.float64] | NDArray[np.bool_]]:
    t, c = rows
    realized = t + h < n_known
    factor = np.ones(len(t))
    exit_price: Array = np.full(len(t), np.nan)  # last close so far, on the share basis of t
    stale = np.ones(len(t), dtype=np.bool_)
    for k in range(1, h + 1):
        at = np.minimum(t + k, len(prices.close) - 1)
        factor = factor * prices.factor[at, c]
        price = prices.close[at, c]
        stale = np.isnan(price)
        exit_price = np.where(stale, exit_price, price / factor)
    delisted = realized & stale & (last_row[c] < t + h)
    entry = prices.close[t, c]
    # Gone without another trade: the holder is left with the price of t, a return of 0 that did happen.
    exit_of_holder = np.where(delisted & np.isnan(exit_price), entry, exit_price)
    next_at = np.minimum(t + 1, len(prices.close) - 1)
    open_price = prices.open[next_at, c] / prices.factor[next_at, c]
    close_return = np.where(realized, exit_of_holder / entry - 1.0, np.nan)
    open_return = np.where(realized, exit_price / open_price - 1.0, np.nan)
    known = np.isfinite(close_return) | np.isfinite(open_return)
    return {
        f"close_{h}": close_return,
        f"next_open_{h}": open_return,
        f"stale_exit_{h}": known & stale & ~delisted,
        f"delisted_{h}": known & delisted,
    }


def _last_rows(bars: pl.LazyFrame, sessions: Sequence[date], codes: Sequence[str]) -> NDArray[np.int64]:
    """Ordinal of the last session with a row, traded or not, of each code; -1 if it has none."""
    last = bars.group_by("Code").agg(pl.col("Date").max()).collect()
    ordinal = {day: i for i, day in enumerate(sessions)}
    found = dict(zip(last["Code"].to_list(), last["Date"].to_list(), strict=True))
    return np.array([ordinal.get(found.get(code, date.min), -1) for code in codes], dtype=np.int64)
