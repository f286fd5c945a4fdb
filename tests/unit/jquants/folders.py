"""Folders of files in every form, written from the simulated market."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from atft_pipeline.jquants.checked_rows import CheckedRows, examine
from atft_pipeline.jquants.endpoints import ENDPOINTS
from atft_pipeline.jquants.findings import raise_if_bad
from atft_pipeline.jquants.simulator import SimulatedSource
from atft_pipeline.jquants.source import Source
from atft_pipeline.sections import SimulatorSettings

from .markets import SMALL


def write(folder: Path, name: str, rows: pl.DataFrame, suffix: str = "", form: str = "parquet") -> Path:
    """Rows of one endpoint as one file; objects become JSON where the form is text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ENDPOINTS[name].file_stem}{suffix}.{form}"
    if form == "parquet":
        rows.write_parquet(path)
        return path
    objects = [column for column, dtype in rows.schema.items() if isinstance(dtype, pl.Struct)]
    text = rows.with_columns(pl.col(column).struct.json_encode() for column in objects).write_csv()
    path.write_bytes(gzip.compress(text.encode()) if form == "csv.gz" else text.encode())
    return path


def write_bars(
    folder: Path, begins: str, suffix: str, form: str = "parquet", change: Mapping[str, pl.Expr] | None = None
) -> Path:
    """Bars of the small market whose date begins with `begins` (2022, 2022-03, 2022-03-01)."""
    bars = SimulatedSource(SMALL).fetch("daily_bars", date(2000, 1, 1), date(2050, 1, 1))
    rows = bars.filter(pl.col("Date").str.starts_with(begins)).with_columns(**(change or {}))
    return write(folder, "daily_bars", rows, suffix, form)


def write_market(
    folder: Path, form: str = "parquet", without: Collection[str] = (), settings: SimulatorSettings = SMALL
) -> Path:
    """Every endpoint in wire form; the bars by year."""
    source = SimulatedSource(settings)
    for name in ENDPOINTS:
        rows = source.fetch(name, date(2000, 1, 1), date(2050, 1, 1))
        if name == "daily_bars" and name not in without:
            for year, part in rows.group_by(pl.col("Date").str.head(4), maintain_order=True):
                write(folder, name, part, f"_{year[0]}", form)
        elif name not in without:
            write(folder, name, rows, form=form)
    return folder


def checked_rows(
    source: Source, name: str, start: date, end: date, *, sessions: Sequence[date] = (), latest: date | None = None
) -> CheckedRows:
    """What a run takes: rows of [start, end], or the error that tells of all problems."""
    found = examine(source, name, start, end, sessions=sessions, latest=latest)
    raise_if_bad(f"{name}, {start} to {end}", found.findings.problems)
    return found
