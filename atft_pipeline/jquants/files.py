"""A folder of Parquet files in J-Quants V2 columns as a source.

Files are named after the endpoint's path, as the bulk download does: `equities_bars_daily.parquet`, or split by date as
`equities_bars_daily_2019.parquet` and `equities_bars_daily_201901.parquet`. Columns may be typed or in wire form.

A master that holds one snapshot is stretched over every session. Only S33, S17 and ProdCat may then be used; what would
tell of the future (ScaleCat, Mkt, Mrgn and their names) is blanked here, so that nothing can see it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from atft_pipeline.calendar import TradingCalendar
from atft_pipeline.errors import SourceError
from atft_pipeline.jquants.endpoints import ENDPOINTS, Endpoint
from atft_pipeline.jquants.source import require_offered
from atft_pipeline.jquants.wire import to_typed

REQUIRED = ("daily_bars", "equities_master")
BLANKED_WHEN_STRETCHED = ("ScaleCat", "Mkt", "MktNm", "Mrgn", "MrgnNm")


@dataclass(frozen=True)
class DatedFile:
    """A Parquet file, its state on disk, and the first and last date of its rows."""

    path: Path
    size: int
    changed_ns: int
    first: date
    last: date


class FilesSource:
    """Parquet files in V2 columns; the folder is looked at anew on each call, so added files are seen.

    Args:
        path: the folder.

    Raises:
        SourceError: the folder, a required file or a required column is missing, or a file has no rows.
    """

    name = "files"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise SourceError(
                f"source.path = {path} is not a folder.",
                remedy="Give the folder of the Parquet files: atft run --preset tse --source DIR.",
            )
        self.path = path
        for name, endpoint in ENDPOINTS.items():
            if name in REQUIRED and not self._files(name):
                raise SourceError(
                    f"source.path = {path} holds no {endpoint.file_stem}.parquet ({name}); it holds"
                    f" {', '.join(sorted(file.name for file in path.glob('*.parquet'))) or 'no Parquet file'}.",
                    remedy=f"Add {endpoint.file_stem}.parquet, or {endpoint.file_stem}_YYYY.parquet for each year, with"
                    f" columns {', '.join(endpoint.required)}.",
                )

    @property
    def endpoints(self) -> frozenset[str]:
        """Endpoints with files; the calendar always, made from the dates of the bars where it has no file."""
        return frozenset(name for name in ENDPOINTS if self._files(name)) | {"trading_calendar"}

    @property
    def stretched_master(self) -> bool:
        """Whether the master holds one snapshot date."""
        files = self._files("equities_master")
        return min(file.first for file in files) == max(file.last for file in files)

    def calendar(self) -> pl.DataFrame:
        """Date and HolDiv of the calendar file; without one, days with bars are "1" and the others "0".

        Without one a session on which nothing traded (2020-10-01) is taken for a holiday.
        """
        endpoint = ENDPOINTS["trading_calendar"]
        if files := self._files(endpoint.name):
            rows = pl.concat([pl.read_parquet(file.path) for file in files])
            return to_typed(rows, endpoint).frame.select("Date", "HolDiv").unique("Date", keep="last").sort("Date")
        return _bar_dates(self._files("daily_bars"))

    def first_session(self) -> date:
        """First date of the bars."""
        return min(file.first for file in self._files("daily_bars"))

    def last_session(self) -> date:
        """Last date of the bars."""
        return max(file.last for file in self._files("daily_bars"))

    def fetch(self, endpoint: str, start: date, end: date) -> pl.DataFrame:
        """Rows in [start, end] as the files have them, file by file; a stretched master once for each session."""
        require_offered(self, endpoint)
        files = self._files(endpoint)
        if not files:
            return self.calendar().filter(pl.col("Date").is_between(start, end))
        if endpoint == "equities_master" and self.stretched_master:
            return self._stretched(files, start, end)
        near = [file for file in files if file.first <= end and file.last >= start] or files[:1]
        rows = [
            pl.scan_parquet(file.path).filter(_date(file.path, ENDPOINTS[endpoint]).is_between(start, end))
            for file in near
        ]
        return pl.concat(rows, how="diagonal_relaxed").collect()

    def fingerprint(self, endpoint: str, start: date, end: date) -> str:
        """Hash of name, size and time of change of the files that decide the rows of the range."""
        require_offered(self, endpoint)
        dates = self._files("trading_calendar") or self._files("daily_bars")
        if endpoint == "equities_master" and self.stretched_master:
            files = (*self._files(endpoint), *dates)
        else:
            files = tuple(file for file in self._files(endpoint) or dates if file.first <= end and file.last >= start)
        state = [f"{file.path.name} {file.size} {file.changed_ns}" for file in files]
        text = "\n".join([endpoint, start.isoformat(), end.isoformat(), *state])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _files(self, name: str) -> tuple[DatedFile, ...]:
        form = re.compile(rf"{ENDPOINTS[name].file_stem}(_\d[\d_-]*)?\.parquet")
        paths = sorted(path for path in self.path.iterdir() if form.fullmatch(path.name))
        states = [(path, path.stat()) for path in paths]
        return tuple(_inspect(path, name, state.st_size, state.st_mtime_ns) for path, state in states)

    def _stretched(self, files: tuple[DatedFile, ...], start: date, end: date) -> pl.DataFrame:
        snapshot = pl.concat([pl.read_parquet(file.path) for file in files])
        blanked = [column for column in BLANKED_WHEN_STRETCHED if column in snapshot.columns]
        rows = snapshot.drop("Date").with_columns(pl.lit(None, pl.String).alias(column) for column in blanked)
        first, last = max(start, self.first_session()), min(end, self.last_session())
        sessions = TradingCalendar.from_frame(self.calendar()).between(first, last)
        days = pl.DataFrame({"Date": sessions}, schema={"Date": pl.Date()})
        return days.join(rows, how="cross").select(snapshot.columns)


@cache
def _inspect(path: Path, name: str, size: int, changed_ns: int) -> DatedFile:
    """Check a file's columns and find its dates; remembered until the file changes."""
    endpoint = ENDPOINTS[name]
    columns = pl.read_parquet_schema(path)
    missing = [column for column in endpoint.required if column not in columns]
    if missing:
        raise SourceError(
            f"{path}: required column {', '.join(missing)} is missing; the file has {', '.join(columns)}.",
            remedy=f"Name its columns as V2 does: {', '.join(endpoint.required)}.",
        )
    day = _date(path, endpoint)
    first, last = pl.scan_parquet(path).select(day.min().alias("first"), day.max().alias("last")).collect().row(0)
    if first is None:
        raise SourceError(
            f"{path}: no row with a readable {endpoint.date_column}.",
            remedy="Remove the file, or write dates as YYYY-MM-DD.",
        )
    return DatedFile(path, size, changed_ns, first, last)


def _date(path: Path, endpoint: Endpoint) -> pl.Expr:
    """The column that dates the file's rows, as a date."""
    day = pl.col(endpoint.date_column)
    if pl.read_parquet_schema(path)[endpoint.date_column] == pl.Date:
        return day  # as it is, so that the filter reaches the file's statistics
    return day.str.replace_all("-", "").str.to_date("%Y%m%d", strict=False)


def _bar_dates(files: tuple[DatedFile, ...]) -> pl.DataFrame:
    """Every day from the first bar to the last: "1" with bars, "0" without."""
    dates = [pl.scan_parquet(file.path).select(_date(file.path, ENDPOINTS["daily_bars"])) for file in files]
    sessions = pl.concat(dates).unique().sort("Date").collect()["Date"]
    days = pl.DataFrame({"Date": pl.date_range(sessions[0], sessions[-1], eager=True)})
    return days.with_columns(
        HolDiv=pl.when(pl.col("Date").is_in(sessions.implode())).then(pl.lit("1")).otherwise(pl.lit("0"))
    )
