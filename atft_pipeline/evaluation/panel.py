"""Long tables of one model as dense arrays [D, C]: the form in which days are judged.

Rows are consecutive sessions and columns codes in ascending order, so every sum runs over (Date, Code) in one fixed
order and a lag of h rows is a lag of h sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from atft_pipeline.errors import EvaluationError

KEYS = ("Date", "Code")


def dense(frame: pl.DataFrame, column: str, days: Sequence[date], codes: Sequence[str]) -> NDArray[np.float64]:
    """One column of a (Date, Code) table as [D, C]; NaN where the table has no row or a null.

    Args:
        frame: columns Date, Code and `column`; rows of other days or codes are left out.
        column: numeric or Boolean.
        days: D sessions, ascending.
        codes: C codes, ascending.

    Raises:
        EvaluationError: two rows for one (Date, Code).
    """
    row = pl.DataFrame({"Date": days, "row": range(len(days))}, schema={"Date": pl.Date, "row": pl.Int64})
    place = pl.DataFrame({"Code": codes, "place": range(len(codes))}, schema={"Code": pl.String, "place": pl.Int64})
    found = (
        frame.select("Date", "Code", pl.col(column).cast(pl.Float64))
        .join(row, on="Date", how="inner")
        .join(place, on="Code", how="inner")
    )
    cell = found["row"].to_numpy() * len(codes) + found["place"].to_numpy()
    repeated = len(cell) - np.count_nonzero(np.bincount(cell))
    if repeated:
        raise EvaluationError(
            f"{column}: {repeated} rows repeat a (Date, Code).",
            remedy="Give one model, horizon and fold per day, one row per stock.",
        )
    values = np.full(len(days) * len(codes), np.nan)
    values[cell] = found[column].to_numpy()
    return values.reshape(len(days), len(codes))
