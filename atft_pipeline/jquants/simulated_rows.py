"""What the simulated endpoints share: their wire schemas, and weeks of sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby

import polars as pl

from atft_pipeline.jquants.endpoints import ENDPOINTS

SECTIONS_RENAMED = date(2022, 4, 4)
"""First, Second, Mothers and JASDAQ became Prime, Standard and Growth."""


def wire_schema(name: str) -> dict[str, pl.DataType]:
    """Dtypes on the wire: numbers as numbers, but as text where the endpoint mixes them with tokens; the rest text."""
    as_text = name in ("margin_alert", "financial_summaries")
    return {
        column: dtype if dtype.is_nested() or (dtype.is_numeric() and not as_text) else pl.String()
        for column, dtype in ENDPOINTS[name].schema.items()
    }


def wire_frame(rows: Sequence[Mapping[str, object]], name: str) -> pl.DataFrame:
    """Rows as a frame of the endpoint's columns, in wire form; a key that a row lacks is null."""
    return pl.DataFrame(list(rows), schema=wire_schema(name))


def wire_columns(columns: Mapping[str, object], name: str) -> pl.DataFrame:
    """Columns as a frame in wire form; a column that is not given is null."""
    schema = wire_schema(name)
    given = pl.DataFrame(dict(columns), schema_overrides={column: schema[column] for column in columns})
    absent = [pl.lit(None, dtype).alias(column) for column, dtype in schema.items() if column not in columns]
    return given.with_columns(absent).select(list(schema))


def weeks(sessions: Sequence[date]) -> list[list[date]]:
    """Sessions of each calendar week that has one, ascending."""
    return [list(week) for _, week in groupby(sessions, key=lambda day: day.isocalendar()[:2])]
