"""Raw market data as a Dagster resource: typed, checked rows of one endpoint, stamped with their first fetch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.checked_rows import examine
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.findings import Findings, raise_if_bad
from atft_pipeline.jquants.first_fetch import stamp_first_fetch
from atft_pipeline.jquants.source import AskingSource
from resources.lake import Lake
from resources.progress import reporter
from resources.structure import month_bounds, structure


class FetchedMonths:
    """Rows of one endpoint, fetched and checked when a month of them is wanted.

    Attributes:
        months: keys of the months, ascending.
    """

    def __init__(self, endpoint: str, months: Sequence[str], held: Lake) -> None:
        self.months = tuple(months)
        self._endpoint, self._held = endpoint, held
        self._findings, self._failed_casts, self._unknown = Findings(), 0, dict[str, None]()
        self._seconds = 0.0

    def __iter__(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Each month with its rows: the known columns, the unknown ones, `fetched_at`.

        A source that is asked is asked first, for all months. Rows that are held unchanged keep the time they came
        with. When there is a problem, every month is still looked at, so that all problems are told at once.

        Raises:
            EndpointMissing: the source does not offer the endpoint.
            ApiError: the source is asked, and refused.
            BadData: files or rows that would give wrong figures.
        """
        shape, now, began = structure(), datetime.now(UTC), time.perf_counter()
        if isinstance(shape.source, AskingSource):
            shape.source.update(self._endpoint, *shape.days_of(self.months), reporter().note, reporter().step)
        for months in self._chunks():
            rows = self._fetch(months, now)
            if not self._findings.problems:
                stamped = stamp_first_fetch(rows, self._held.held(self._endpoint, months), now)
                day = pl.col(ENDPOINTS[self._endpoint].date_column)
                yield from ((month, stamped.filter(day.is_between(*month_bounds(month)))) for month in months)
        self._seconds = time.perf_counter() - began
        raise_if_bad(f"{self._endpoint}, {self.months[0]} to {self.months[-1]}", self._findings.problems)

    def metadata(self) -> dict[str, Any]:
        """What was found in the months that were fetched, and how long fetching and writing them took."""
        return {
            "seconds": round(self._seconds, 3),
            "failed_casts": self._failed_casts,
            "unknown_columns": list(self._unknown),
            "warnings": dg.MetadataValue.md("\n".join(f"- {oddity}" for oddity in self._findings.oddities) or "none"),
        }

    def _chunks(self) -> Iterator[tuple[str, ...]]:
        """Months that are fetched together: one where the source keeps rows by month, else all, to read files once."""
        if isinstance(structure().source, AskingSource):
            yield from ((month,) for month in self.months)
        else:
            yield self.months

    def _fetch(self, months: Sequence[str], now: datetime) -> pl.DataFrame:
        """Typed rows; a simulated market has no present day, so that its dates are never in the future."""
        shape = structure()
        start, end = shape.days_of(months)
        rows = examine(
            shape.source,
            self._endpoint,
            start,
            end,
            sessions=shape.calendar.between(start, min(end, shape.as_of)),
            latest=None if shape.settings.source.kind == "simulated" else now.astimezone(TOKYO).date(),
        )
        self._findings += rows.findings
        self._failed_casts += sum(rows.typed.failed_casts.values())
        self._unknown |= dict.fromkeys(rows.typed.unknown_columns)
        return rows.typed.frame


class MarketData(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The source of the structure, through the one path from wire rows to typed and checked rows."""

    def months(self, endpoint: str, months: Sequence[str], held: Lake) -> FetchedMonths:
        """Rows of an endpoint in these months, beside what is held of them."""
        return FetchedMonths(endpoint, months, held)
