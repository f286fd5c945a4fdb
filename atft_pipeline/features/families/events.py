"""How far the next and the last announcement of results are, by the published schedule; ends of months and quarters.

A schedule names a date for (Code, FQName, FYE); its latest row known at t is the one that counts. FYE has no year, so
the same name comes back a year later. Days on which results were really disclosed are never used: they would tell
today which schedules will be kept.

Missing data: null where no date is known. A row is known for 250 sessions after its publication.
As of: PubDate <= t (10:05); the exchange's sessions are known in advance.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from atft_pipeline.features.as_of import MAX_AGE, usable_on
from atft_pipeline.features.column import Column, Feature
from atft_pipeline.features.panel import Panel
from atft_pipeline.features.spells import NEVER, places, with_places
from atft_pipeline.features.windows import Array

FARTHEST = 60
"""Sessions to an announcement beyond which the distance says nothing."""

LAST_SESSIONS = 3
"""Sessions that count as the end of a month."""


def sessions_to_announcement(panel: Panel) -> Array:
    """Sessions to the nearest scheduled date after t, capped at 60 [D, C]."""
    rows = panel.once("schedule of announcements", lambda: _schedule(panel))
    nearest = np.full((len(panel.codes), len(panel.sessions)), np.inf)
    for stock, place, until, day in rows.select("stock", "place", "until", "day").iter_rows():
        ahead = nearest[stock, max(place, 0) : max(min(until, day, place + MAX_AGE + 1), 0)]
        np.minimum(ahead, day, out=ahead)
    distance = nearest.T - np.arange(len(panel.sessions))[:, None]
    return np.where(np.isfinite(distance), np.minimum(distance, FARTHEST), np.nan)


def sessions_since_announcement(panel: Panel) -> Array:
    """Sessions since the latest scheduled date at or before t [D, C]; a date replaced by its own day did not come."""
    rows = panel.once("schedule of announcements", lambda: _schedule(panel)).filter(pl.col("until") > pl.col("day"))
    latest = np.full((len(panel.codes), len(panel.sessions)), -np.inf)
    for stock, place, day in rows.select("stock", "place", "day").iter_rows():
        after = latest[stock, max(place, day, 0) : max(place + MAX_AGE + 1, 0)]
        np.maximum(after, day, out=after)
    distance = np.arange(len(panel.sessions))[:, None] - latest.T
    return np.where(distance <= MAX_AGE, distance, np.nan)


def month_end(panel: Panel, *, months: tuple[int, ...]) -> Array:
    """1 on the last three sessions of these months [D, 1]; null where the calendar does not reach three further."""
    sessions = panel.calendar.sessions
    out = np.full((len(panel.sessions), 1), np.nan)
    for t, day in enumerate(panel.sessions):
        later = panel.calendar.position(day) + LAST_SESSIONS
        if later < len(sessions):
            out[t] = day.month in months and sessions[later].month != day.month
    return out


def _schedule(panel: Panel) -> pl.DataFrame:
    """Rows with a date as `stock`, `place`, `until` and `day`, the place of the first session at or after SchDate.

    A row without a date ("undecided") replaces the one before, and is left out then.
    """
    subject = ["Code", "FQName", "FYE"]
    rows = panel.tables["earnings_dates"].select(*subject, "PubDate", "SchDate").collect()
    rows = rows.sort(*subject, "PubDate", "SchDate")
    rows = rows.with_columns(usable_on(rows["PubDate"], panel.calendar).alias("usable"))
    placed = with_places(rows, panel, subject)
    day = places(usable_on(placed["SchDate"], panel.calendar), panel)
    return placed.with_columns(pl.Series("day", day, dtype=pl.Int64)).filter(pl.col("day") < NEVER)


_column = partial(Column, family="events", dtype="Float32")
_announcement = partial(
    _column,
    scope="stock",
    kind="robust_z",
    endpoints=("earnings_dates",),
    as_of="latest row per (Code, FQName, FYE) with PubDate <= t; realized disclosures are not used",
)
_calendar = partial(
    _column,
    scope="market",
    kind="flag",
    valid_range=(0.0, 1.0),
    max_null_share=0.01,
    min_active_share=0.0,
    warmup=0,
    endpoints=("trading_calendar",),
    as_of="Date <= t, and the exchange's sessions after it, which are known in advance",
)

FEATURES: tuple[Feature, ...] = (
    Feature(
        _announcement(
            name="sessions_to_announcement",
            valid_range=(1.0, float(FARTHEST)),
            max_null_share=0.8,  # dates are published some weeks ahead: between the seasons few are known
            min_active_share=0.5,
            warmup=MAX_AGE,
            formula="min(60, sessions from t to the nearest SchDate > t)",
        ),
        sessions_to_announcement,
    ),
    Feature(
        _announcement(
            name="sessions_since_announcement",
            valid_range=(0.0, float(MAX_AGE)),
            max_null_share=0.2,
            min_active_share=0.9,
            warmup=MAX_AGE,
            formula="sessions from the latest SchDate <= t to t; a SchDate replaced at or before its day is left out",
        ),
        sessions_since_announcement,
    ),
    Feature(
        _calendar(name="month_end", formula="t is one of the last three sessions of its month"),
        partial(month_end, months=tuple(range(1, 13))),
    ),
    Feature(
        _calendar(
            name="quarter_end", formula="t is one of the last three sessions of March, June, September, December"
        ),
        partial(month_end, months=(3, 6, 9, 12)),
    ),
)
