"""Tables that are made a few months at a time and become present together, so that memory never holds all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import polars as pl

from resources.progress import reporter
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


ROWS_AT_ONCE = 1_000_000
"""Rows that are made together: a year of the whole market, or many years of a few names."""


class PartByPart:
    """Months of a table that needs a long warm-up: consecutive months are made together while memory allows.

    The warm-up is paid once for a part, so long parts are cheap; what is held is a part, whatever the number of months.

    Args:
        months: keys of the months, ascending.
        rows: how many rows each month will have, about; a month that is not named has none.
        make: rows of consecutive months.
        date_column: the date that assigns a row to a month.
    """

    def __init__(
        self,
        months: Sequence[str],
        rows: Mapping[str, int],
        make: Callable[[Sequence[str]], pl.DataFrame],
        date_column: str = "Date",
    ) -> None:
        self.months = tuple(months)
        self._rows, self._make, self._day = rows, make, pl.col(date_column)
        self._seconds = 0.0

    def __iter__(self) -> Iterator[tuple[str, pl.DataFrame]]:
        began = time.perf_counter()
        for part in self._parts():
            rows = self._make(part)
            for month in part:
                yield month, rows.filter(self._day.is_between(*month_bounds(month)))
                reporter().step("months", self.months.index(month) + 1, len(self.months))
        self._seconds = time.perf_counter() - began

    def _parts(self) -> list[list[str]]:
        """At least a month each."""
        parts: list[list[str]] = [[]]
        held = 0
        for month in self.months:
            held += self._rows.get(month, 0)
            if parts[-1] and held > ROWS_AT_ONCE:
                parts.append([])
                held = self._rows.get(month, 0)
            parts[-1].append(month)
        return parts

    def metadata(self) -> dict[str, Any]:
        """How long making and writing took."""
        return {"seconds": round(self._seconds, 3)}
