"""Rows of several files in one frame, where one has text and another has types."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def concat_mixed(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all frames in order; a column that is text in one of them becomes text in all.

    Missing data: a column that a frame lacks is null there. Text of a number is its shortest exact form, so that
    reading it again gives the same number; a date is YYYY-MM-DD, a flag "true" or "false", an object is JSON.
    """
    kinds: dict[str, set[bool]] = {}
    for frame in frames:
        for column, dtype in frame.schema.items():
            if dtype != pl.Null:
                kinds.setdefault(column, set()).add(dtype == pl.String)
    mixed = {column for column, texts in kinds.items() if len(texts) > 1}
    return pl.concat([_in_text(frame, mixed) for frame in frames], how="diagonal_relaxed")


def _in_text(frame: pl.DataFrame, columns: set[str]) -> pl.DataFrame:
    return frame.with_columns(
        pl.col(column).struct.json_encode() if isinstance(dtype, pl.Struct) else pl.col(column).cast(pl.String)
        for column, dtype in frame.schema.items()
        if column in columns
    )
