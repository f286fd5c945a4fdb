"""A sorted frame as a matrix, cut into its days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray


def day_slices(dates: pl.Series) -> Iterator[slice]:
    """Rows of each day, in order, of a sorted column of dates."""
    lengths = dates.rle().struct.field("len").to_list() if len(dates) else []
    first = 0
    for length in lengths:
        yield slice(first, first + length)
        first += length


def matrix(frame: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Columns as a float64 matrix [rows, F]; null becomes NaN."""
    out = np.empty((frame.height, len(names)))
    for i, name in enumerate(names):
        out[:, i] = frame[name].cast(pl.Float64).to_numpy()
    return out
