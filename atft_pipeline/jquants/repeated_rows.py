"""Natural keys that stand more than once: an error inside one file, a count where two files overlap alike."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from atft_pipeline.jquants.findings import Findings, Oddity, Places, Problem

_AT, _FILE, _ROW = "__at", "__file", "__row"


def repeated_rows(frame: pl.DataFrame, places: Places, key: Sequence[str]) -> tuple[pl.Series, Findings]:
    """Which rows to keep, and what was found.

    A key twice in one file is a problem. The same key in two files is an oddity where all values are equal, and the
    first is kept; where they differ it is a problem that names both files. Nulls equal nulls; a column that one of
    the files lacks is null there.

    Args:
        frame: typed rows.
        places: where they stand.
        key: columns of the natural key; those that the frame lacks are left out.

    Returns:
        A mask over the rows, and the findings.
    """
    there = [column for column in key if column in frame.columns]
    keep = pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)
    keys = _packed(frame, there)
    if keys.n_unique() == frame.height:  # the usual case, in half the time of looking at each row
        return keep, Findings()
    twice = keys.is_duplicated()
    rows = frame.filter(twice).with_columns(
        twice.arg_true().alias(_AT), places.file.filter(twice).alias(_FILE), places.row.filter(twice).alias(_ROW)
    )
    values = [column for column in frame.columns if column not in there]
    first = rows.unique(there, keep="first", maintain_order=True)
    again = rows.join(first, on=there, how="left", nulls_equal=True, suffix="_first", maintain_order="left")
    again = again.filter(pl.col(_AT) != pl.col(f"{_AT}_first"))
    alike = pl.all_horizontal(
        pl.lit(value=True), *(pl.col(column).eq_missing(pl.col(f"{column}_first")) for column in values)
    )
    again = again.with_columns(alike=alike)
    same_file = pl.col(_FILE) == pl.col(f"{_FILE}_first")
    harmless = again.filter(~same_file & pl.col("alike"))
    problems = [
        *_problems(again.filter(same_file), places, there, "stands twice in this file"),
        *_problems(again.filter(~same_file & ~pl.col("alike")), places, there, "has other values in"),
    ]
    keep[harmless[_AT].to_list()] = False
    return keep, Findings(tuple(problems), _overlaps(harmless, places))


def _packed(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame | pl.Series:
    """The key's columns; (Date, Code) as one number, which is ten times faster over millions of rows."""
    if tuple(key) != ("Date", "Code"):
        return frame.select(key)
    code = pl.col("Code").cast(pl.Categorical).to_physical().cast(pl.Int64)
    return frame.select(pl.col("Date").to_physical().cast(pl.Int64) * 2**31 + code.fill_null(-1)).to_series()


def _overlaps(harmless: pl.DataFrame, places: Places) -> tuple[Oddity, ...]:
    if harmless.is_empty():
        return ()
    one, other = (places.labels[harmless[column][0]] for column in (f"{_FILE}_first", _FILE))
    rows = harmless.select(_FILE, _ROW).n_unique()
    return (Oddity("rows that stand alike in two files, kept once", rows, f"{one} and {other}"),)


def _problems(rows: pl.DataFrame, places: Places, key: Sequence[str], says: str) -> list[Problem]:
    found = []
    for part in rows.sort(_FILE, f"{_FILE}_first", _ROW).partition_by(_FILE, f"{_FILE}_first", maintain_order=True):
        row = part.row(0, named=True)
        name = ", ".join(f"{column} {row[column]}" for column in key)
        other = places.labels[row[f"{_FILE}_first"]]
        where = f"{says} (rows {row[f'{_ROW}_first']} and {row[_ROW]})"
        if row[_FILE] != row[f"{_FILE}_first"]:
            where = f"{says} {other}, row {row[f'{_ROW}_first']}: {_difference(row, part.columns)}"
        limit = "a key stands once; files may overlap only where their rows are alike"
        remedy = "Keep the row that was fetched last and remove the other."
        count = part[_ROW].n_unique()
        found.append(
            Problem(places.labels[row[_FILE]], ", ".join(key), row[_ROW], f"{name} {where}", limit, remedy, count)
        )
    return found


def _difference(row: dict[str, object], columns: Sequence[str]) -> str:
    """The first column in which two rows of one key differ, with both values."""
    pairs = [name for name in columns if f"{name}_first" in row and name not in (_AT, _FILE, _ROW)]
    name = next(name for name in pairs if row[name] != row[f"{name}_first"])
    return f"{name} is {row[name]} here and {row[f'{name}_first']} there"
