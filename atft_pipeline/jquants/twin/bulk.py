"""Files of whole months and single days, as the bulk download lays them out."""

from __future__ import annotations

import gzip
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl

from atft_pipeline.calendar import TOKYO
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.twin.published import PublishedRows

RowsServed = Callable[[Endpoint, date, date, datetime], pl.DataFrame]
"""Rows of an endpoint from one day to another, as served at a moment."""


@dataclass(frozen=True)
class ShelfFile:
    """One file for downloading.

    Attributes:
        key: its name: `historical/2025/equities_bars_daily_202501.csv.gz`, `live/equities_bars_daily_20250203.csv.gz`.
        modified: when rows last came to it.
        content: gzipped CSV; the same bytes for the same rows.
    """

    key: str
    modified: datetime
    content: bytes


class Shelf:
    """The files that can be downloaded: one per past month, one per day of the running month, none without rows.

    How the service splits rows that are dated by their publication is not documented; here every file holds the rows
    whose date column lies in its period.

    Args:
        published: for what was out when.
        served: the rows with the columns of the plan.
    """

    def __init__(self, published: PublishedRows, served: RowsServed) -> None:
        self._published = published

        def content(name: str, first: date, last: date, modified: datetime) -> bytes:
            return _csv_gz(served(ENDPOINTS[name], first, last, modified))

        self._content = lru_cache(maxsize=1024)(content)  # each list tells sizes: the bytes are made once

    def files(self, endpoint: Endpoint, first: date, now: datetime) -> list[ShelfFile]:
        """Files of an endpoint with rows from `first` on, oldest first; the file of its month is cut there."""
        today = now.astimezone(TOKYO).date()
        running = today.replace(day=1)
        first = max(first, self._published.calendar_start)
        latest = self._published.calendar(today).next_session(today)  # its master may be out
        stem, start = endpoint.file_stem, max(first, running)
        days = [start + timedelta(days=i) for i in range((latest - start).days + 1)]
        found = [
            self._file(f"historical/{month:%Y}/{stem}_{month:%Y%m}.csv.gz", endpoint, month, end, now)
            for month, end in _months(first, running)
        ]
        found += [self._file(f"live/{stem}_{day:%Y%m%d}.csv.gz", endpoint, day, day, now) for day in days]
        return [file for file in found if file is not None]

    def _file(self, key: str, endpoint: Endpoint, first: date, last: date, now: datetime) -> ShelfFile | None:
        known = min(last, self._published.last_known(endpoint, now))
        if known < first:
            return None
        modified = max(moment for moment in self._published.updates(endpoint, known) if moment <= now).astimezone(UTC)
        content = self._content(endpoint.name, first, last, modified)
        return ShelfFile(key, modified, content) if content else None


def _months(first: date, running: date) -> list[tuple[date, date]]:
    """First and last day of each month from `first` to the month before the running one."""
    found = []
    while first < running:
        last = first.replace(day=monthrange(first.year, first.month)[1])
        found.append((first, last))
        first = last + timedelta(days=1)
    return found


def _csv_gz(rows: pl.DataFrame) -> bytes:
    """Rows as gzipped CSV, objects as JSON text, missing as nothing; empty for no rows."""
    if rows.is_empty():
        return b""
    objects = [pl.col(name).struct.json_encode() for name, dtype in rows.schema.items() if isinstance(dtype, pl.Struct)]
    return gzip.compress(rows.with_columns(objects).write_csv().encode(), 1, mtime=0)
