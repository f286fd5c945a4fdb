"""A CSV file's rows, plain or gzipped; what is cut short or is not UTF-8 is told by row and column."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence

import polars as pl
from isal import igzip
from isal.isal_zlib import IsalError

from atft_pipeline.jquants.data_files import DataFile, parse_name
from atft_pipeline.jquants.endpoints import DTYPES, ENDPOINTS
from atft_pipeline.jquants.findings import Problem

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AGAIN = "Download or export the file again."


def csv_header(file: DataFile) -> tuple[str, ...] | Problem:
    """Column names, from the file's first line alone; what stands behind it may be damaged."""
    try:
        with gzip.open(file.path) if file.form == ".csv.gz" else file.path.open("rb") as stream:
            line = stream.readline()
    except (EOFError, OSError, zlib.error) as error:
        return _cut_gzip(file, error)
    if problem := _undecodable(file, line, ()):
        return problem
    return tuple(next(csv.reader([line.decode("utf-8-sig")]), []))


def csv_rows(file: DataFile, columns: Sequence[str] | None = None) -> pl.DataFrame | Problem:
    """Rows as the wire has them: number columns as numbers if every value of them is one, else everything as text.

    Missing data: an empty field is null. `jquants.wire.to_typed` makes the same of both forms, but twice as fast of
    numbers, which then never were text.

    Args:
        file: the file.
        columns: read these only; all of them if None.
    """
    content = _content(file)
    if isinstance(content, Problem):
        return content
    header = next(csv.reader([_first_line(content).decode(errors="replace")]), [])
    if problem := _undecodable(file, content, header) or _cut_line(file, content, header):
        return problem
    try:
        return _parsed(content, columns, {} if _has_blanks(content) else _number_columns(file, header))
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        return Problem(
            file.label, "", 0, f"is not readable as CSV ({said})", "a header and comma-separated rows", _AGAIN
        )


def _content(file: DataFile) -> bytes | Problem:
    """The file's bytes, unpacked."""
    try:
        content = file.path.read_bytes()
        if file.form == ".csv.gz":
            content = igzip.decompress(content)  # not by polars, which takes a cut file for a short one
    except (EOFError, OSError, IsalError) as error:
        return _cut_gzip(file, error)
    return content.removeprefix(BYTE_ORDER_MARK)


def _has_blanks(content: bytes) -> bool:
    """Whether a number could stand behind a blank: read at once it is a number, as text it is unreadable."""
    return b" " in content or b"\t" in content


def _number_columns(file: DataFile, header: Sequence[str]) -> dict[str, pl.DataType]:
    """Columns that its endpoint, known from the file's name, says are numbers."""
    name, form, _ = file.path.name.partition(file.form)  # a received file's name goes on, with its hash
    known = parse_name(name + form)
    kinds = ENDPOINTS[known[0]].columns if known is not None else {}
    return {column: DTYPES["number"] for column in header if kinds.get(column) == "number"}


def _parsed(content: bytes, columns: Sequence[str] | None, numbers: dict[str, pl.DataType]) -> pl.DataFrame:
    wanted = None if columns is None else list(columns)
    try:
        return pl.read_csv(content, infer_schema=False, columns=wanted, schema_overrides=numbers)
    except pl.exceptions.ComputeError:  # "-", "*" or no number: as text, so that what is unreadable can be counted
        return pl.read_csv(content, infer_schema=False, columns=wanted)


def _first_line(content: bytes) -> bytes:
    end = content.find(b"\n")
    return content if end < 0 else content[:end]


def _cut_gzip(file: DataFile, error: Exception) -> Problem:
    return Problem(file.label, "", 0, f"cannot be unpacked ({error})", "a whole gzip file is expected", _AGAIN)


def _undecodable(file: DataFile, content: bytes, header: Sequence[str]) -> Problem | None:
    if content.isascii():  # without a copy
        return None
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
    end = len(content)
    while end and content[end - 1] in b"\r\n":
        end -= 1
    fields = content.count(b",", content.rfind(b"\n", 0, end) + 1, end) + 1
    if fields >= len(header) or b'"' in content:
        return None
    rows = content.count(b"\n", 0, end)
    says = f"the last line has {fields} of {len(header)} fields"
    return Problem(file.label, header[fields - 1], rows, says, "each row must have every field", _AGAIN)
