"""A folder of files in J-Quants V2 columns as a source: Parquet, CSV and gzipped CSV, mixed, split by date or not.

Files are named after the endpoint's path, as the bulk download does; `data_files` says how. Columns may be typed or in
wire form. Opening the folder reads footers and first lines; of a CSV whose name carries its period no row is read
before the rows themselves are wanted.

A master that holds one snapshot is stretched over every session. Only S33, S17 and ProdCat may then be used; what would
tell of the future (ScaleCat, Mkt, Mrgn and their names) is blanked here, so that nothing can see it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from atft_pipeline.calendar import SESSIONS_WITHOUT_TRADE, TradingCalendar
from atft_pipeline.errors import SourceError
from atft_pipeline.jquants.checked_rows import examine
from atft_pipeline.jquants.data_files import DataFile, endpoints_in, find_files, names_in
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.file_dates import first_date, last_date, may_hold
from atft_pipeline.jquants.file_rows import (
    FILE,
    ROW,
    bounds_of,
    column_problems,
    columns_of,
    day_of,
    days_of,
    is_outside,
    rows_of,
)
from atft_pipeline.jquants.findings import Places, Problem, raise_if_bad
from atft_pipeline.jquants.mixed_rows import concat_mixed
from atft_pipeline.jquants.source import LocatedRows, require_offered

REQUIRED = ("daily_bars", "equities_master")
BLANKED_WHEN_STRETCHED = ("ScaleCat", "Mkt", "MktNm", "Mrgn", "MrgnNm")

SURVIVORSHIP = (
    "Survivorship: the master is one snapshot stretched over the whole period. Stocks that were delisted before it are"
    " missing, so every figure is too good; only S33, S17 and ProdCat of it are used."
)
DERIVED_CALENDAR = (
    "Calendar: there is no calendar file, so days with bars are sessions and all others holidays. A session on which"
    " nothing traded is taken for a holiday, except the outage of 2020-10-01, which is known to be a session."
)


class FilesSource:
    """Files in V2 columns; the folder is looked at anew on each call, so added files are seen.

    Args:
        path: the folder.

    Raises:
        SourceError: the folder or a required file is missing.
        BadData: files are damaged, or columns are missing or cannot hold their values.
    """

    name = "files"

    def __init__(self, path: Path) -> None:
        self._open(path)
        for name in REQUIRED:
            if problem := self.missing(name):
                raise SourceError(problem.says + ".", remedy=problem.remedy)
        raise_if_bad(f"source.path = {path}", self.file_problems())

    @classmethod
    def unchecked(cls, path: Path) -> FilesSource:
        """A folder whatever it holds, for telling what is wrong with it.

        Raises:
            SourceError: there is no such folder.
        """
        source = cls.__new__(cls)
        source._open(path)
        return source

    def _open(self, path: Path) -> None:
        if not path.is_dir():
            raise SourceError(
                f"source.path = {path} is not a folder.",
                remedy="Give the folder of the files: atft run --preset tse --source DIR.",
            )
        self.path = path

    @property
    def endpoints(self) -> frozenset[str]:
        """Endpoints with files; the calendar always, made from the dates of the bars where it has no file."""
        return endpoints_in(self.path) | {"trading_calendar"}

    @property
    def stretched_master(self) -> bool:
        """Whether the master holds one snapshot date."""
        files = self.files("equities_master")
        return first_date(files, "equities_master") == last_date(files, "equities_master")

    @property
    def notes(self) -> tuple[str, ...]:
        """The stretched master, a calendar or a value traded that was worked out from the bars."""
        columns = [columns_of(file) for file in self.files("daily_bars")]
        without_value = [names for names in columns if not isinstance(names, Problem) and "Va" not in names]
        said = {
            SURVIVORSHIP: self.stretched_master,
            DERIVED_CALENDAR: not self.files("trading_calendar"),
            f"Value traded: {len(without_value)} of {len(self.files('daily_bars'))} files of bars have no Va; it is"
            " the mean of O, H, L and C times Vo there.": bool(without_value),
        }
        return tuple(note for note, holds in said.items() if holds)

    def calendar(self) -> pl.DataFrame:
        """Date and HolDiv of the calendar file; without one, days with bars are "1" and the others "0".

        Nothing in the bars tells a session on which nothing traded from a holiday; the one that is known
        (`SESSIONS_WITHOUT_TRADE`) is "1" if it lies inside the period.
        """
        if not self.files("trading_calendar"):
            return self._bar_dates()
        found = examine(self, "trading_calendar", date.min, date.max)
        raise_if_bad("trading_calendar", found.findings.problems)
        return found.typed.frame.select("Date", "HolDiv").sort("Date")

    def first_session(self) -> date:
        """First date of the bars."""
        return first_date(self.files("daily_bars"), "daily_bars")

    def last_session(self) -> date:
        """Last date of the bars."""
        return last_date(self.files("daily_bars"), "daily_bars")

    def fetch(self, endpoint: str, start: date, end: date) -> pl.DataFrame:
        """Rows in [start, end] as the files have them, file by file; a stretched master once for each session."""
        rows = self.read(endpoint, start, end)
        raise_if_bad(endpoint, rows.problems)
        assert rows.frame is not None  # only problems leave nothing
        return rows.stretched(rows.frame)

    def read(self, endpoint: str, start: date, end: date) -> LocatedRows:
        """The rows of `fetch` with their files and row numbers; problems of files are told, not raised.

        A snapshot is given once, with the sessions that it stands for: checking it once is checking it for all of them.
        """
        require_offered(self, endpoint)
        if not self.files(endpoint):
            days = self.calendar().filter(pl.col("Date").is_between(start, end))
            return LocatedRows(days, Places.without_files("the dates of the bars", days.height), ())
        if endpoint != "equities_master" or not self.stretched_master:
            return self.read_files(endpoint, start, end)
        snapshot = self.read_files(endpoint, date.min, date.max)
        return snapshot if snapshot.frame is None else self._stretched(snapshot, start, end)

    def read_files(self, endpoint: str, start: date, end: date) -> LocatedRows:
        """Rows in [start, end] as they stand in the files: nothing stretched, nothing worked out from the bars."""
        files = self.files(endpoint)
        labels = tuple(file.label for file in files)
        near = [file for file in files if may_hold(file, endpoint, start, end)] or list(files[:1])
        frames: list[pl.DataFrame] = []
        problems: list[Problem] = []
        for file in near:
            found = column_problems(file, endpoint) or rows_of(file, endpoint, files.index(file), start, end)
            if isinstance(found, pl.DataFrame):
                strays = found.filter(is_outside(file, endpoint))
                problems += _outside(file, endpoint, strays)
                frames.append(
                    found.filter(~is_outside(file, endpoint).fill_null(value=False)) if len(strays) else found
                )
            else:
                problems += [found] if isinstance(found, Problem) else found
        rows = concat_mixed(frames) if frames else None
        return _located(rows, labels, tuple(problems))

    def fingerprint(self, endpoint: str, start: date, end: date) -> str:
        """Hash of name, size and time of change of the files that decide the rows of the range."""
        require_offered(self, endpoint)
        dated = "trading_calendar" if self.files("trading_calendar") else "daily_bars"
        if endpoint == "equities_master" and self.stretched_master:
            files = (*self.files(endpoint), *self.files(dated))
        else:
            name = endpoint if self.files(endpoint) else dated
            files = tuple(file for file in self.files(name) if may_hold(file, name, start, end))
        state = [f"{file.label} {file.size} {file.changed_ns}" for file in files]
        text = "\n".join([endpoint, start.isoformat(), end.isoformat(), *state])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The endpoint's files."""
        return find_files(self.path, name)

    def missing(self, name: str) -> Problem | None:
        """That the folder lacks an endpoint, and how its file would be named."""
        if self.files(name):
            return None
        endpoint = ENDPOINTS[name]
        there = names_in(self.path)
        holds = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
        return Problem(
            endpoint.file_stem,
            "",
            0,
            f"source.path = {self.path} holds no {endpoint.file_stem}.parquet ({name}); it holds"
            f" {holds or 'no Parquet and no CSV file'}",
            "at least one file is needed",
            f"Add {endpoint.file_stem}.parquet (or .csv, .csv.gz), or {endpoint.file_stem}_YYYY.parquet for each year,"
            f" with columns {', '.join(endpoint.required)}.",
        )

    def file_problems(self) -> tuple[Problem, ...]:
        """What footers and first lines already tell, of every file; and files of Parquet without a dated row."""
        found: list[Problem] = []
        for name in ENDPOINTS:
            for file in self.files(name):
                problems = column_problems(file, name)
                found += problems
                if not problems and file.form == ".parquet" and isinstance(dates := bounds_of(file, name), Problem):
                    found.append(dates)
        return tuple(found)

    def _bar_dates(self) -> pl.DataFrame:
        """Every day from the first bar to the last: "1" with bars or a known outage, "0" without."""
        found = [days_of(file, "daily_bars") for file in self.files("daily_bars")]
        raise_if_bad("daily_bars", [days for days in found if isinstance(days, Problem)])
        sessions = pl.concat([days.rename("Date") for days in found if isinstance(days, pl.Series)]).unique().sort()
        days = pl.DataFrame({"Date": pl.date_range(sessions[0], sessions[-1], eager=True)})
        known = pl.col("Date").is_in(sessions.implode()) | pl.col("Date").is_in(list(SESSIONS_WITHOUT_TRADE))
        return days.with_columns(HolDiv=pl.when(known).then(pl.lit("1")).otherwise(pl.lit("0")))

    def _stretched(self, snapshot: LocatedRows, start: date, end: date) -> LocatedRows:
        assert snapshot.frame is not None
        columns = snapshot.frame.columns
        blanked = [column for column in BLANKED_WHEN_STRETCHED if column in columns]
        rows = snapshot.frame.drop("Date").with_columns(
            *(pl.lit(None, pl.String).alias(column) for column in blanked),
            snapshot.places.file.alias(FILE),
            snapshot.places.row.alias(ROW),
        )
        first, last = max(start, self.first_session()), min(end, self.last_session())
        sessions = TradingCalendar.from_frame(self.calendar()).between(first, last)
        at_first = pl.DataFrame({"Date": sessions[:1]}, schema={"Date": pl.Date}).join(rows, how="cross")
        located = _located(at_first.select(*columns, FILE, ROW), snapshot.places.labels, snapshot.problems)
        return replace(located, stands_for=sessions)


def _outside(file: DataFile, name: str, strays: pl.DataFrame) -> list[Problem]:
    """Rows that lie outside the period of their file's name."""
    if strays.is_empty() or file.period is None:
        return []
    first, column = strays.row(0, named=True), ENDPOINTS[name].date_column
    day = strays.select(day_of(file, name)).item(0, 0)
    says = f"{column} {day} is outside the period of the file's name"
    limit = f"{file.period[0]} to {file.period[1]} is expected"
    remedy = "Move the rows to the file of their date, or rename the file."
    return [Problem(file.label, column, first[ROW], says, limit, remedy, strays.height)]


def _located(rows: pl.DataFrame | None, labels: tuple[str, ...], problems: tuple[Problem, ...]) -> LocatedRows:
    if rows is None:
        return LocatedRows(None, Places.without_files("", 0), problems)
    places = Places(labels, rows[FILE], rows[ROW])
    return LocatedRows(rows.drop(FILE, ROW), places, problems)
