"""A tiny market for tests of features: random walks with halts, splits, a listing and a delisting.

Nothing here imitates a real market: the simulator does that. This one is small, and each trouble happens in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from atft_pipeline.features.contract import CONTRACT

PRICES = CONTRACT.select(["alpha158", "technical", "volatility", "liquidity", "market", "cross_market", "sector"])
"""The families that need nothing but what this market has: bars, the index and the universe."""

SECTORS = (("3650", "9"), ("5250", "10"), ("3750", "9"))


@dataclass(frozen=True)
class TinyMarket:
    """Raw tables and a universe that holds every stock with a bar on the day."""

    sessions: tuple[date, ...]
    codes: tuple[str, ...]
    bars: pl.DataFrame
    topix: pl.DataFrame
    calendar: pl.DataFrame
    universe: pl.DataFrame

    def tables(self, **replaced: pl.DataFrame) -> Mapping[str, pl.LazyFrame]:
        """Raw tables by asset name, some of them replaced."""
        frames = {"daily_bars": self.bars, "topix": self.topix, "trading_calendar": self.calendar} | replaced
        return {name: frame.lazy() for name, frame in frames.items()}


def tiny_market(n_codes: int = 24, n_sessions: int = 330, *, seed: int = 7, halt_share: float = 0.04) -> TinyMarket:
    """Weekdays from 2020-01-06; stock 1 lists late, 2 vanishes, 3 and 4 split, 5 halts for 70 sessions."""
    rng = np.random.default_rng(seed)
    days = [date(2020, 1, 6) + timedelta(days=i) for i in range(2 * n_sessions)]
    calendar = pl.DataFrame({"Date": days, "HolDiv": ["1" if day.weekday() < 5 else "0" for day in days]})
    sessions = tuple(day for day in days if day.weekday() < 5)[:n_sessions]
    codes = tuple(f"{1301 + 7 * i}0" for i in range(n_codes))
    market = rng.normal(0.0003, 0.01, n_sessions)
    bars = []
    for i, code in enumerate(codes):
        bars.append(_stock(i, code, sessions, market, rng, halt_share))
    frame = pl.concat(bars).sort("Date", "Code")
    level = 1000 * np.cumprod(1 + market)
    topix = pl.DataFrame(
        {"Date": sessions, "O": level * (1 + rng.normal(0, 0.002, n_sessions)), "H": level * 1.01, "L": level * 0.99}
    ).with_columns(C=pl.Series(level))
    sector = {code: SECTORS[i % len(SECTORS)] for i, code in enumerate(codes)}
    universe = frame.select(
        "Date",
        "Code",
        in_universe=pl.lit(value=True),
        reason=pl.lit(None, dtype=pl.String),
        S33=pl.col("Code").replace_strict({code: pair[0] for code, pair in sector.items()}),
        S17=pl.col("Code").replace_strict({code: pair[1] for code, pair in sector.items()}),
        Mkt=pl.lit("0111"),
    )
    return TinyMarket(sessions, codes, frame, topix, calendar, universe)


def _stock(
    i: int, code: str, sessions: tuple[date, ...], market: np.ndarray, rng: np.random.Generator, halt_share: float
) -> pl.DataFrame:
    n = len(sessions)
    close = np.exp(np.cumsum((0.5 + i / 20) * market + rng.normal(0, 0.015, n))) * (200 + 150 * i)
    open_ = close * np.exp(rng.normal(0, 0.006, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.004, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.004, n)))
    volume = np.round(np.exp(rng.normal(10, 0.5, n)))
    factor = np.ones(n)
    if i in (3, 4):
        factor[n // 2 if i == 3 else 3 * n // 4] = 0.5 if i == 3 else 10.0
    basis = np.cumprod(factor)
    prices = {name: values * basis for name, values in (("O", open_), ("H", high), ("L", low), ("C", close))}
    halted = rng.random(n) < halt_share
    if i == 5:
        halted[n // 2 : n // 2 + 70] = True
    frame = pl.DataFrame(
        {
            "Date": sessions,
            "Code": [code] * n,
            **prices,
            "Vo": volume / basis,
            "Va": volume * close,
            "AdjFactor": factor,
        }
    ).with_columns(
        pl.when(pl.Series(~halted)).then(pl.col(name)).alias(name) for name in ("O", "H", "L", "C", "Vo", "Va")
    )
    first, last = (n // 3 if i == 1 else 0), (4 * n // 5 if i == 2 else n)
    return frame.slice(first, last - first)
