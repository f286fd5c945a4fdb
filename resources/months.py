"""Tables that are made a few months at a time and become present together, so that memory never holds all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import polars as pl

from resources.structure import month_bounds


@runtime_checkable
class MonthByMonth(Protocol):
    """What an asset returns instead of one table of all its months."""

    @property
    def months(self) -> tuple[str, ...]:
        """Keys of the months, ascending."""

    def __iter__(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Each month with its rows; made while it is asked for."""

    def metadata(self) -> dict[str, Any]:
        """What is known once every month was made."""


class YearByYear:
    """Months of a table that needs a long warm-up: those of a calendar year are made together.

    Args:
        months: keys of the months, ascending.
        make: rows of consecutive months of one year.
        date_column: the date that assigns a row to a month.
    """

    def __init__(
        self, months: Sequence[str], make: Callable[[Sequence[str]], pl.DataFrame], date_column: str = "Date"
    ) -> None:
        self.months = tuple(months)
        self._make, self._day = make, pl.col(date_column)
        self._seconds = 0.0

    def __iter__(self) -> Iterator[tuple[str, pl.DataFrame]]:
        began = time.perf_counter()
        for _, keys in groupby(self.months, key=lambda month: month[:4]):
            year = tuple(keys)
            rows = self._make(year)
            yield from ((month, rows.filter(self._day.is_between(*month_bounds(month)))) for month in year)
        self._seconds = time.perf_counter() - began

    def metadata(self) -> dict[str, Any]:
        """How long making and writing took."""
        return {"seconds": round(self._seconds, 3)}
