"""First and last dates of an endpoint's files, read from as few of them as can decide.

A CSV whose name promises a period is taken at its word until its rows are read; the dates of all other files are those
of their rows, which Parquet keeps in its statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.file_rows import bounds_of
from atft_pipeline.jquants.findings import Problem, raise_if_bad

Span = tuple[date, date]


def may_hold(file: DataFile, name: str, start: date, end: date) -> bool:
    """Whether rows of [start, end] can be in the file; a file that cannot be read may hold anything."""
    span = _span(file, name)
    return isinstance(span, Problem) or (span[0] <= end and span[1] >= start)


def first_date(files: Sequence[DataFile], name: str) -> date:
    """First date of the rows, read from the files that can begin with it.

    Raises:
        BadData: such a file cannot be read, or has no date.
    """
    best: date | None = None
    for file in sorted(files, key=lambda file: _readable(_span(file, name), name)[0]):
        if best is None or _readable(_span(file, name), name)[0] <= best:
            first = _readable(bounds_of(file, name), name)[0]
            best = first if best is None else min(best, first)
    assert best is not None  # a source without files of the endpoint was refused
    return best


def last_date(files: Sequence[DataFile], name: str) -> date:
    """Last date of the rows, read from the files that can end with it.

    Raises:
        BadData: such a file cannot be read, or has no date.
    """
    best: date | None = None
    for file in sorted(files, key=lambda file: _readable(_span(file, name), name)[1], reverse=True):
        if best is None or _readable(_span(file, name), name)[1] >= best:
            last = _readable(bounds_of(file, name), name)[1]
            best = last if best is None else max(best, last)
    assert best is not None  # a source without files of the endpoint was refused
    return best


def _span(file: DataFile, name: str) -> Span | Problem:
    return file.period if file.period is not None and file.form != ".parquet" else bounds_of(file, name)


def _readable(span: Span | Problem, name: str) -> Span:
    if isinstance(span, Problem):
        raise_if_bad(name, [span])
    assert not isinstance(span, Problem)
    return span
