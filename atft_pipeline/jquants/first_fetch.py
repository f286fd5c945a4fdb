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
    known = held.group_by(rows.columns).agg(pl.col(FETCHED_AT).min())
    return rows.join(known, on=rows.columns, how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.col(FETCHED_AT).fill_null(stamp)
    )
