"""Tables of a few rows, put through the real pipeline: six years of weekdays as sessions, and no prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import polars as pl

from atft_pipeline.features.compute import compute_features
from atft_pipeline.jquants.endpoints import ENDPOINTS

Row = Mapping[str, object]


@cache
def weekdays() -> tuple[date, ...]:
    """Sessions from 2019-01-01 to 2024-12-31."""
    days = [date(2019, 1, 1) + timedelta(days=i) for i in range(6 * 365 + 2)]
    return tuple(day for day in days if day.weekday() < 5)


def table(name: str, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of an endpoint; what a row lacks is null."""
    return pl.DataFrame(list(rows), schema=ENDPOINTS[name].schema)


def features(
    family: str,
    start: date,
    end: date | None = None,
    *,
    stocks: Sequence[Row] = ({"Code": "13010"},),
    sessions: Sequence[date] | None = None,
    **tables: Sequence[Row],
) -> pl.DataFrame:
    """A family's columns from hand-made tables; a stock is of Prime and of S33 3650 unless it says otherwise."""
    days = weekdays() if sessions is None else sessions
    members = pl.DataFrame(
        [
            {"Date": day, "in_universe": True, "S33": "3650", "S17": "9", "Mkt": "0111"} | dict(stock)
            for day in days
            if start <= day <= (end or start)
            for stock in stocks
        ],
        schema={
            **dict.fromkeys(("Code", "S33", "S17", "Mkt"), pl.String),
            "Date": pl.Date,
            "in_universe": pl.Boolean,
        },
    )
    frames = {
        "daily_bars": pl.DataFrame(schema=ENDPOINTS["daily_bars"].schema),
        "trading_calendar": pl.DataFrame(
            {"Date": days, "HolDiv": ["1"] * len(days)}, schema_overrides={"Date": pl.Date}
        ),
        **{name: table(name, rows) for name, rows in tables.items()},
    }
    lazy = {name: frame.lazy() for name, frame in frames.items()}
    return compute_features(lazy, members.lazy(), [family], start, end or start).collect()
