"""From when until when a row counts: reports and schedules that a later row of the same subject replaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.features.as_of import MAX_AGE
from atft_pipeline.features.panel import Panel

NEVER = 2**31
"""Place of a session that is not known or does not come."""


def with_places(rows: pl.DataFrame, panel: Panel, subject: Sequence[str]) -> pl.DataFrame:
    """The rows of the panel's codes with three places, counted in sessions from the panel's first (before it: < 0).

    `place`: from when the row may be used. `until`: from when the next row of its subject may be used, `NEVER` if
    there is none. `stock`: number of its code. A row that is replaced on the session of its own publication has
    `until == place` and so counts on no session. Rows without `usable`, rows older than `MAX_AGE` on the panel's first
    session and rows after its last are left out, and replace nothing.

    Args:
        rows: Code, `usable` (a session), the subject's columns; within a subject the later row replaces.
        panel: sessions, codes and calendar.
        subject: columns that name what a row tells of; Code among them.
    """
    stock = pl.DataFrame(
        {"Code": list(panel.codes), "stock": range(len(panel.codes))}, schema={"Code": pl.String, "stock": pl.Int64}
    )
    kept = rows.join(stock, on="Code", how="inner", maintain_order="left").filter(pl.col("usable").is_not_null())
    kept = kept.with_columns(place=pl.Series(places(kept["usable"], panel), dtype=pl.Int64))
    kept = kept.filter(pl.col("place").is_between(-MAX_AGE, len(panel.sessions), closed="left"))
    return kept.with_columns(until=pl.col("place").shift(-1).over(list(subject)).fill_null(NEVER))


def places(sessions: pl.Series, panel: Panel) -> NDArray[np.int64]:
    """Sessions as places, counted from the panel's first; `NEVER` for null. Each must be one of the calendar's."""
    known = sessions_of(panel.calendar)
    first = panel.calendar.position(panel.sessions[0]) if panel.sessions else 0
    asked = sessions.cast(pl.Date).to_numpy().astype("datetime64[D]")
    place = np.searchsorted(known, asked).astype(np.int64) - first
    return np.where(np.isnat(asked), NEVER, place)


def sessions_of(calendar: TradingCalendar) -> NDArray[np.datetime64]:
    """Every session as a day of numpy's, ascending."""
    return np.array(calendar.sessions, dtype="datetime64[D]")
