"""The simulated market with every raw table, typed, for tests of families that are no bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.universe import build_universe
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.wire import to_typed
from atft_pipeline.sections import SimulatorSettings, UniverseSettings

EVERYTHING = UniverseSettings(min_price=0.0, min_trading_value=0.0, min_listed_sessions=0)


@dataclass(frozen=True)
class FullMarket:
    """Raw tables by asset name, and a universe that leaves nothing out but funds."""

    calendar: TradingCalendar
    sessions: tuple[date, ...]
    tables: Mapping[str, pl.DataFrame]
    universe: pl.DataFrame

    def lazy(self, **replaced: pl.DataFrame) -> dict[str, pl.LazyFrame]:
        """The tables as `compute_features` takes them, some of them replaced."""
        return {name: frame.lazy() for name, frame in {**self.tables, **replaced}.items()}


@lru_cache(maxsize=2)
def full_market(n_codes: int = 40, n_sessions: int = 640, last_session: date = date(2026, 10, 30)) -> FullMarket:
    """A market that crosses the day from which margin balances are daily (2026-09-25), for the default end."""
    source = SimulatedSource(SimulatorSettings(n_codes=n_codes, n_sessions=n_sessions, last_session=last_session))
    first, last = source.first_session(), source.last_session()
    tables = {name: to_typed(source.fetch(name, date.min, date.max), table).frame for name, table in ENDPOINTS.items()}
    calendar = TradingCalendar.from_frame(tables["trading_calendar"])
    lazy = {name: frame.lazy() for name, frame in tables.items()}
    universe = build_universe(lazy, EVERYTHING, first, last, stretched_master=False)
    return FullMarket(calendar, tuple(calendar.between(first, last)), tables, universe)
