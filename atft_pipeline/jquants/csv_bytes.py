"""A CSV file as text columns, plain or gzipped; what is cut short or is not UTF-8 is told by row and column."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence

import polars as pl

from atft_pipeline.jquants.data_files import DataFile
from atft_pipeline.jquants.findings import Problem

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AGAIN = "Download or export the file again."


def csv_header(file: DataFile) -> tuple[str, ...] | Problem:
    """Column names, from the file's first line alone."""
    try:
        with gzip.open(file.path) if file.form == ".csv.gz" else file.path.open("rb") as stream:
            line = stream.readline()
    except (EOFError, OSError, zlib.error) as error:
        return _cut_gzip(file, error)
    if problem := _undecodable(file, line, ()):
        return problem
    return tuple(next(csv.reader([line.decode("utf-8-sig")]), []))


def csv_rows(file: DataFile, columns: Sequence[str] | None = None) -> pl.DataFrame | Problem:
    """Rows with every value as text, as the wire has it; an empty field is null.

    Args:
        file: the file.
        columns: read these only; all of them if None.
    """
    try:
        content = file.path.read_bytes()
        if file.form == ".csv.gz":
            content = gzip.decompress(content)  # not by polars, which takes a cut file for a short one
    except (EOFError, OSError, zlib.error) as error:
        return _cut_gzip(file, error)
    content = content.removeprefix(BYTE_ORDER_MARK)
    header = next(csv.reader([content.split(b"\n", 1)[0].decode(errors="replace")]), [])
    if problem := _undecodable(file, content, header) or _cut_line(file, content, header):
        return problem
    try:
        return pl.read_csv(io.BytesIO(content), infer_schema=False, columns=None if columns is None else list(columns))
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        return Problem(
            file.label, "", 0, f"is not readable as CSV ({said})", "a header and comma-separated rows", _AGAIN
        )


def _cut_gzip(file: DataFile, error: Exception) -> Problem:
    return Problem(file.label, "", 0, f"cannot be unpacked ({error})", "a whole gzip file is expected", _AGAIN)


def _undecodable(file: DataFile, content: bytes, header: Sequence[str]) -> Problem | None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start)
        start = content.rfind(b"\n", 0, error.start) + 1
        field = len(next(csv.reader([content[start : error.start].decode() or " "]))) - 1
        return Problem(
            file.label,
            header[min(field, len(header) - 1)] if header and row else "",
            row,
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "the whole file must be UTF-8",
            "Convert the file: iconv -f CP932 -t UTF-8 OLD > NEW.",
        )
    return None


def _cut_line(file: DataFile, content: bytes, header: Sequence[str]) -> Problem | None:
    """A last line with too few fields: the file was cut. Lines with quotes are left to the parser."""
    last = content.rstrip(b"\r\n").rsplit(b"\n", 1)[-1]
    fields = last.count(b",") + 1
    if b'"' in content or fields >= len(header):
        return None
    rows = content.rstrip(b"\r\n").count(b"\n")
    says = f"the last line has {fields} of {len(header)} fields"
    return Problem(file.label, header[fields - 1], rows, says, "each row must have every field", _AGAIN)
