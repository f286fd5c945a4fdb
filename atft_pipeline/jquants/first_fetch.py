"""When was a row first seen as it is now? A revision is a new row; the same row fetched again is not."""

from __future__ import annotations

from datetime import datetime

import polars as pl

FETCHED_AT = "fetched_at"


def stamp_first_fetch(rows: pl.DataFrame, held: pl.DataFrame | None, now: datetime) -> pl.DataFrame:
    """Rows with `fetched_at`, the first fetch of their present values.

    A row that is held with the same value in every column keeps the time it came with; a new or revised row gets
    `now`. Nulls equal nulls. Where columns or types differ from what is held, nothing can be compared and every row
    is new.

    As-of rule: `fetched_at` is when this store could first have used the row, no earlier than its publication.

    Args:
        rows: as fetched now, without `fetched_at`; order is kept.
        held: what was committed before, or None.
        now: aware time of this fetch.
    """
    stamp = pl.lit(now).dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    if held is None or held.drop(FETCHED_AT, strict=False).schema != rows.schema:
        return rows.with_columns(stamp.alias(FETCHED_AT))
    # Most rows stand where they stood. To look for a row among all that are held takes thirty times as long.
    both = min(rows.height, held.height)
    stays = _equal_in_place(rows.head(both), held.head(both))
    moved, left = ~_padded(stays, rows.height), ~_padded(stays, held.height)
    times = held[FETCHED_AT].head(both).extend_constant(None, rows.height - both)
    times = times.scatter(moved.arg_true(), _found(rows.filter(moved), held.filter(left)))
    return rows.with_columns(times).with_columns(pl.col(FETCHED_AT).fill_null(stamp))


def _equal_in_place(rows: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """For each row whether the held row at its position has the same values."""
    equal = pl.DataFrame([rows[column].eq_missing(held[column]) for column in rows.columns])
    return equal.select(pl.all_horizontal(pl.all())).to_series()


def _padded(mask: pl.Series, height: int) -> pl.Series:
    return mask.extend_constant(value=False, n=height - len(mask))


def _found(rows: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Time of the held row of the same values, wherever it stands; null without one."""
    known = held.group_by(rows.columns).agg(pl.col(FETCHED_AT).min())
    return rows.join(known, on=rows.columns, how="left", nulls_equal=True, maintain_order="left")[FETCHED_AT]
