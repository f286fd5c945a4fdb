"""What was known when: rows of a table, put on the session from which each may be used, and carried on from there.

A row is used from its publication on, never from the day it tells of. It is carried for at most `MAX_AGE` sessions,
so that a column's warm-up is finite and any start of the panel gives the same values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.windows import Array

MAX_AGE = 250
"""Sessions for which the last row stands; an older one is not known any more."""


@dataclass(frozen=True, eq=False)
class Known:
    """The last known row of each name on each session.

    Attributes:
        values: by column [D, K]; NaN where no row is known, or where the row says nothing.
        age: sessions since the row could first be used, 0 on that session [D, K]; NaN where no row is known.
    """

    values: Mapping[str, Array]
    age: Array


def usable_on(days: pl.Series, calendar: TradingCalendar) -> pl.Series:
    """The first session at or after each day: what is published before the close of a session."""
    return _session(days, calendar, "left")


def usable_after(days: pl.Series, calendar: TradingCalendar, sessions: int = 1) -> pl.Series:
    """The `sessions`-th session after each day: what is published after the close, or at an unknown time."""
    return _session(days, calendar, "right", sessions - 1)


def last_known(
    rows: pl.DataFrame,
    columns: Sequence[str],
    sessions: Sequence[date],
    names: Sequence[str],
    *,
    by: str = "Code",
    max_age: int = MAX_AGE,
) -> Known:
    """Rows as [D, K] arrays: on session t the last row of each name that was usable at t.

    Args:
        rows: `usable` (a session), `by`, and the columns; of two rows usable on the same session the later one in
            the frame counts. Rows of other names, without a session, or usable before the first session are left out:
            the panel's warm-up is longer than a row is carried.
        columns: what to put on the grid; null is "the row says nothing", and hides the row before it.
        sessions: D sessions of the panel.
        names: K names of the panel: codes, sectors, sections.
        by: column with the names.
        max_age: sessions for which a row is carried.
    """
    day = pl.DataFrame(
        {"usable": list(sessions), "_t": range(len(sessions))}, schema={"usable": pl.Date, "_t": pl.Int64}
    )
    name = pl.DataFrame({by: list(names), "_k": range(len(names))}, schema={by: pl.String, "_k": pl.Int64})
    placed = (
        rows.select(by, "usable", *columns)
        .join(day, on="usable", how="inner", maintain_order="left")
        .join(name, on=by, how="inner", maintain_order="left")
        .unique(["_t", "_k"], keep="last", maintain_order=True)
    )
    t, k = placed["_t"].to_numpy(), placed["_k"].to_numpy()
    shape = (len(sessions), len(names))
    latest = np.full(shape, -1, dtype=np.int64)
    latest[t, k] = t
    np.maximum.accumulate(latest, axis=0, out=latest)
    age = np.arange(len(sessions))[:, None] - latest
    known: NDArray[np.bool_] = (latest >= 0) & (age <= max_age)
    values: dict[str, Array] = {}
    for column in columns:
        grid = np.full(shape, np.nan)
        grid[t, k] = placed[column].cast(pl.Float64).to_numpy()
        carried = np.take_along_axis(grid, np.maximum(latest, 0), axis=0) if len(sessions) else grid
        values[column] = np.where(known, carried, np.nan)
    return Known(values, np.where(known, age, np.nan))


def _session(days: pl.Series, calendar: TradingCalendar, side: str, further: int = 0) -> pl.Series:
    """Sessions at the place of each day; null for days before the calendar's first session and after its last."""
    known = np.array(calendar.sessions, dtype="datetime64[D]")
    asked = days.cast(pl.Date).to_numpy().astype("datetime64[D]")
    place = np.searchsorted(known, asked, side="left" if side == "left" else "right") + further
    outside = np.isnat(asked) | (asked < known[0]) | (place >= len(known))
    found = known[np.minimum(place, len(known) - 1)].copy()
    found[outside] = np.datetime64("NaT")
    return pl.Series("usable", found).cast(pl.Date)
