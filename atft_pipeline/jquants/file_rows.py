"""Rows, columns and dates of one data file; whatever is wrong with the file itself comes back as a `Problem`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import polars as pl

from atft_pipeline.jquants.csv_bytes import csv_header, csv_rows
from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.endpoints import DTYPES, ENDPOINTS, Endpoint
from atft_pipeline.jquants.findings import Problem
from atft_pipeline.jquants.wire import can_hold

FILE, ROW = "__file", "__row"
"""Columns that tell where a row was read; taken off before the rows are handed on."""

DERIVED = {"daily_bars": ("Va",)}
"""Required columns that a file may leave out, because the other columns give them."""

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises over a damaged Parquet file; some damage makes it panic."""


@lru_cache(maxsize=16384)
def columns_of(file: DataFile) -> Mapping[str, pl.DataType] | Problem:
    """Columns and dtypes, from the footer or the header alone; remembered until the file changes."""
    if file.form != ".parquet":
        header = csv_header(file)
        return header if isinstance(header, Problem) else dict.fromkeys(header, pl.String())
    try:
        return pl.read_parquet_schema(file.path)
    except UNREADABLE as error:
        return _damaged(file, error)


def column_problems(file: DataFile, name: str) -> tuple[Problem, ...]:
    """Required columns that are missing, and columns whose dtype cannot hold their values; reads no row."""
    endpoint, columns = ENDPOINTS[name], columns_of(file)
    if isinstance(columns, Problem):
        return (columns,)
    wanted = [column for column in endpoint.required if column not in DERIVED.get(name, ())]
    missing = tuple(column for column in wanted if column not in columns)
    problems = [_missing(file, endpoint, missing, tuple(columns))] if missing else []
    for column, kind in endpoint.columns.items():
        if column in columns and not can_hold(columns[column], kind):
            says = f"its type is {columns[column]}, {kind} is expected"
            remedy = f"Store {column} as text or as {DTYPES[kind]} (codes as text: leading zeros count)."
            problems.append(Problem(file.label, column, 0, says, f"text or {DTYPES[kind]}", remedy))
    return tuple(problems)


@lru_cache(maxsize=16384)
def days_of(file: DataFile, name: str) -> pl.Series | Problem:
    """The days that have a row, ascending; reads the date column alone, and the file as a whole if it is gzipped.

    A file that its name gives to one day is not read.
    """
    if file.period is not None and file.period[0] == file.period[1] and file.form != ".parquet":
        return pl.Series([file.period[0]])
    column = ENDPOINTS[name].date_column
    if file.form == ".parquet":
        try:
            rows = pl.scan_parquet(file.path).select(day_of(file, name)).unique().collect()
        except UNREADABLE as error:
            return _damaged(file, error)
    else:
        text = csv_rows(file, [column])
        if isinstance(text, Problem):
            return text
        rows = text.select(day_of(file, name)).unique()
    return rows.to_series().drop_nulls().sort()


@lru_cache(maxsize=16384)
def bounds_of(file: DataFile, name: str) -> tuple[date, date] | Problem:
    """First and last day of the rows; of Parquet from its statistics where it has them."""
    if file.form != ".parquet":
        days = days_of(file, name)
        found = days if isinstance(days, Problem) else (days.min(), days.max())
    else:
        day = day_of(file, name)
        try:
            found = (
                pl.scan_parquet(file.path).select(day.min().alias("first"), day.max().alias("last")).collect().row(0)
            )
        except UNREADABLE as error:
            return _damaged(file, error)
    if isinstance(found, Problem):
        return found
    first, last = found
    if not isinstance(first, date) or not isinstance(last, date):
        return _no_day(file, name)
    return first, last


def rows_of(file: DataFile, name: str, number: int, start: date, end: date) -> pl.DataFrame | Problem:
    """Rows of [start, end] as the file has them, and rows without a readable date; with `FILE` and `ROW`.

    Missing data: without Va, value traded is `mean(O, H, L, C) Vo`.

    Args:
        file: a file without column problems.
        name: its endpoint.
        number: what stands in `FILE`.
        start: first day.
        end: last day.
    """
    day = day_of(file, name)
    wanted = day.is_between(start, end) | day.is_null()
    if file.form == ".parquet":
        if _strays(file, name):
            wanted = wanted | is_outside(file, name)
        try:
            rows = pl.scan_parquet(file.path, row_index_name=ROW, row_index_offset=1).filter(wanted).collect()
        except UNREADABLE as error:
            return _damaged(file, error)
    else:
        text = csv_rows(file)
        if isinstance(text, Problem):
            return text
        if text.is_empty():
            return _no_day(file, name)
        rows = text.with_row_index(ROW, 1).filter(wanted | is_outside(file, name))
    if name == "daily_bars" and "Va" not in rows.columns:
        prices = [pl.col(column).cast(pl.Float64, strict=False) for column in ("O", "H", "L", "C")]
        value = pl.mean_horizontal(*prices, ignore_nulls=False) * pl.col("Vo").cast(pl.Float64, strict=False)
        rows = rows.with_columns(Va=value)
    return rows.with_columns(pl.lit(number, pl.UInt32).alias(FILE))


def day_of(file: DataFile, name: str) -> pl.Expr:
    """The column that dates the file's rows, as a date."""
    column = ENDPOINTS[name].date_column
    columns = columns_of(file)
    if not isinstance(columns, Problem) and columns[column] == pl.Date:
        return pl.col(column)  # as it is, so that the filter reaches the file's statistics
    return pl.col(column).cast(pl.String).str.replace_all("-", "").str.to_date("%Y%m%d", strict=False)


def is_outside(file: DataFile, name: str) -> pl.Expr:
    """Rows that the file's name does not promise: read whatever is asked for, so that they are found."""
    return pl.lit(value=False) if file.period is None else ~day_of(file, name).is_between(*file.period)


def _strays(file: DataFile, name: str) -> bool:
    """Whether a Parquet file's statistics already say that rows lie outside its name's period."""
    bounds = bounds_of(file, name)
    if file.period is None or isinstance(bounds, Problem):
        return False
    return bounds[0] < file.period[0] or bounds[1] > file.period[1]


def _missing(file: DataFile, endpoint: Endpoint, missing: tuple[str, ...], there: tuple[str, ...]) -> Problem:
    return Problem(
        file.label,
        ", ".join(missing),
        0,
        f"missing; the file has {', '.join(there) or 'no column'}",
        "it is required",
        f"Name the columns as V2 does: {', '.join(endpoint.required)}.",
    )


def _no_day(file: DataFile, name: str) -> Problem:
    column = ENDPOINTS[name].date_column
    says = f"no row with a readable {column}"
    return Problem(file.label, column, 0, says, "at least one is expected", "Remove it, or write dates as YYYY-MM-DD.")


def _damaged(file: DataFile, error: BaseException) -> Problem:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return Problem(
        file.label,
        "",
        0,
        f"is not readable as Parquet ({said})",
        "a whole Parquet file is expected",
        "It may be cut short: download or export the file again.",
    )
