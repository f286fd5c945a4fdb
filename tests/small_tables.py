"""One or a few stocks with constant bars and hand-written rows of other tables, for formulas computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from atft_pipeline.features.compute import compute_features
from atft_pipeline.jquants.endpoints import ENDPOINTS

Row = Mapping[str, object]
CODE = "13010"


def weekdays(first: date, last: date, *, holidays: Sequence[date] = ()) -> list[date]:
    """Monday to Friday without the holidays."""
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5 and day not in holidays]


def typed(table: str, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows of a raw table: the columns that they name, with the endpoint's types; the code is `CODE` if not given."""
    types = ENDPOINTS[table].schema
    names = {name for row in rows for name in row} | {"Code"}
    schema = {name: dtype for name, dtype in types.items() if name in names or name in ENDPOINTS[table].required}
    return pl.DataFrame([{"Code": CODE, **row} for row in rows], schema=schema)


def features_by_day(
    families: Sequence[str],
    sessions: Sequence[date],
    splits: Mapping[date, float] | None = None,
    first: date | None = None,
    **tables: Sequence[Row],
) -> dict[date, dict[str, float | None]]:
    """Features of `CODE` from `first` (the first session if None): close 1000, volume 100, value 1e6 before any split.

    Args:
        families: families of the contract.
        sessions: the calendar and the days with a bar.
        splits: AdjFactor by ex-date; the close follows it, and the volume its reciprocal.
        first: first session that is asked for.
        tables: rows of the other raw tables.
    """
    factors, close, bars = splits or {}, 1000.0, []
    for day in sessions:
        factor = factors.get(day, 1.0)
        close *= factor
        prices = dict.fromkeys(("O", "H", "L", "C"), close)
        bars.append({"Date": day, **prices, "Vo": 100.0 * 1000.0 / close, "Va": 1e6, "AdjFactor": factor})
    frames = {name: typed(name, rows).lazy() for name, rows in tables.items()}
    frames["daily_bars"] = typed("daily_bars", bars).lazy()
    calendar = pl.DataFrame({"Date": list(sessions), "HolDiv": ["1"] * len(sessions)})
    universe = pl.LazyFrame(
        {"Date": list(sessions), "Code": CODE, "in_universe": True, "S33": "3650", "S17": "9", "Mkt": "0111"}
    )
    start = sessions[0] if first is None else first
    frame = compute_features(
        {**frames, "trading_calendar": calendar.lazy()}, universe, families, start, sessions[-1]
    ).collect()
    return {row["Date"]: row for row in frame.to_dicts()}
