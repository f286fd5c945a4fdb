"""Answers as wire rows, and the refusal of one that is not what its endpoint promises.

It is asked for before an answer is kept. Months are read together, so that a column which one day's answer lacks would
be null there without a word; and a kept answer counts as given, so that it would never be asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from atft_pipeline.errors import WireError
from atft_pipeline.jquants.api.wire_pages import frame_of_pages
from atft_pipeline.jquants.csv_bytes import csv_rows
from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.endpoints import Endpoint
from atft_pipeline.jquants.findings import Problem
from atft_pipeline.jquants.wire import to_typed


def rows_of_file(path: Path, label: str) -> pl.DataFrame:
    """Wire rows of a bulk file.

    Args:
        path: a gzipped CSV.
        label: its name in messages.

    Raises:
        WireError: the file is gone or cannot be read.
    """
    rows = csv_rows(DataFile(path, label, ".csv.gz", None, 0, 0))
    if isinstance(rows, Problem):
        raise WireError(f"{rows}", remedy=rows.remedy)
    return rows


def require_readable_pages(bodies: Sequence[bytes], endpoint: Endpoint) -> None:
    """Refuse an answer of which a page cannot be typed; a page without rows can.

    Raises:
        WireError: a required column is missing, or a column holds what its type cannot.
    """
    with _as_answered():
        for body in bodies:
            to_typed(frame_of_pages([body], endpoint), endpoint)


def require_readable_file(path: Path, label: str, endpoint: Endpoint) -> None:
    """Refuse a bulk file that cannot be typed, and delete it, so that it is downloaded again.

    Raises:
        WireError: a required column is missing, or a column holds what its type cannot.
    """
    try:
        with _as_answered():
            to_typed(rows_of_file(path, label), endpoint)
    except WireError:
        path.unlink()
        raise


@contextmanager
def _as_answered() -> Iterator[None]:
    """The same errors with what can be done about an answer of the API."""
    try:
        yield
    except WireError as error:
        raise WireError(
            f"{error.problem.rstrip('.')}; the answer is not kept.",
            remedy="Run again later; if it stays so, the API has changed: compare it with the documentation of V2.",
        ) from None
