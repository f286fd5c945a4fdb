"""A small market with known structure, for tests of graphs: two industries that move together."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from atft_pipeline.calendar import TradingCalendar

CODES = tuple(f"{1000 + i}0" for i in range(12))
SECTORS = {code: ("3650" if i < 6 else "0050", "6" if i < 6 else "1") for i, code in enumerate(CODES)}


def weekdays(start: date, n: int) -> list[date]:
    """The first n weekdays from `start` on."""
    days = (start + timedelta(days=i) for i in range(3 * n + 7))
    return [day for day in days if day.weekday() < 5][:n]


def returns_with_industries(n_sessions: int, seed: int = 0, holes: float = 0.0) -> npt.NDArray[np.float64]:
    """[T, 12] returns; the two halves share one factor each."""
    generator = np.random.default_rng(seed)
    factors = generator.normal(size=(n_sessions, 2))
    returns = 0.01 * (np.repeat(factors, 6, axis=1) + 0.7 * generator.normal(size=(n_sessions, 12)))
    returns[generator.random(returns.shape) < holes] = np.nan
    return returns


def tables(n_sessions: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, TradingCalendar]:
    """Bars, index, universe and calendar from 2024-01-01 on."""
    calendar = TradingCalendar(tuple(weekdays(date(2024, 1, 1), n_sessions)))
    close = 1000.0 * np.cumprod(1.0 + returns_with_industries(n_sessions, seed), axis=0)
    index = 2000.0 * np.cumprod(1.0 + 0.01 * np.random.default_rng(seed + 1).normal(size=n_sessions))
    grid = pl.DataFrame({"Date": calendar.sessions}).join(pl.DataFrame({"Code": CODES}), how="cross")
    bars = grid.with_columns(
        C=pl.Series(close.reshape(-1)), AdjFactor=pl.lit(1.0), Va=pl.Series(close.reshape(-1) * 1e5)
    )
    topix = pl.DataFrame({"Date": calendar.sessions, "C": index})
    universe = grid.with_columns(
        in_universe=pl.lit(True),
        S33=pl.col("Code").replace_strict({c: s[0] for c, s in SECTORS.items()}),
        S17=pl.col("Code").replace_strict({c: s[1] for c, s in SECTORS.items()}),
    )
    return bars, topix, universe, calendar
