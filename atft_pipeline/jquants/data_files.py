"""Which files of a folder belong to an endpoint: their names, formats, and the period that a name promises.

A name is the endpoint's path and, if the rows are split, a date: `equities_bars_daily_2019.parquet`, `_201901.csv.gz`,
`_20190104.csv`. Folders inside the folder are searched too, as the bulk download lays them out
(`historical/2025/equities_bars_daily_202501.csv.gz`, `live/...`); names that begin with a dot are not.
"""

from __future__ import annotations

import os
import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from atft_pipeline.jquants.endpoints import ENDPOINTS

FORMATS = (".parquet", ".csv", ".csv.gz")
YEARS = range(1949, 2101)
"""Four digits outside these are a part's number, not a year. The exchange reopened in 1949."""

_STEMS = {endpoint.file_stem: name for name, endpoint in ENDPOINTS.items()}
_NAME = re.compile(rf"({'|'.join(_STEMS)})(_\d[\d_-]*)?(\.parquet|\.csv|\.csv\.gz)")


@dataclass(frozen=True)
class DataFile:
    """A file and its state on disk.

    Attributes:
        label: its path inside the folder.
        form: one of `FORMATS`.
        period: first and last day that its name promises; None if the name has no date.
    """

    path: Path
    label: str
    form: str
    period: tuple[date, date] | None
    size: int
    changed_ns: int


def find_files(folder: Path, endpoint: str) -> tuple[DataFile, ...]:
    """The endpoint's files, by label; the folder is looked at anew on each call.

    A period is promised only where rows are dated by `Date`: how the bulk download splits what is dated by its
    publication is not documented, so such files are judged by their rows.
    """
    dated = ENDPOINTS[endpoint].date_column == "Date"
    found = []
    for entry in _walk(str(folder)):
        known = parse_name(entry.name)
        if known is not None and known[0] == endpoint:
            state = entry.stat()
            found.append(_data_file(str(folder), entry.path, dated, state.st_size, state.st_mtime_ns))
    return tuple(sorted(found, key=lambda file: file.label))


def endpoints_in(folder: Path) -> frozenset[str]:
    """Endpoints that have a file, in one look."""
    known = (parse_name(entry.name) for entry in _walk(str(folder)))
    return frozenset(parsed[0] for parsed in known if parsed is not None)


def names_in(folder: Path) -> list[str]:
    """Names of the data files that lie in the folder, whatever they belong to."""
    entries = _walk(str(folder))
    return sorted(Path(entry.path).relative_to(folder).as_posix() for entry in entries if entry.name.endswith(FORMATS))


@cache
def parse_name(name: str) -> tuple[str, tuple[date, date] | None, str] | None:
    """Endpoint, promised period and format of a file's name; None if it is no endpoint's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return _STEMS[match[1]], _period((match[2] or "").replace("_", "").replace("-", "")), match[3]


def _period(digits: str) -> tuple[date, date] | None:
    """First and last day of a year, a month or a day: 2019, 201901, 20190104."""
    if len(digits) not in (4, 6, 8) or int(digits[:4]) not in YEARS:
        return None
    year, month, day = int(digits[:4]), int(digits[4:6] or 0), int(digits[6:] or 0)
    if len(digits) == 4:
        return date(year, 1, 1), date(year, 12, 31)
    if not 1 <= month <= 12 or day > monthrange(year, month)[1] or (len(digits) == 8 and day == 0):
        return None
    return date(year, month, day or 1), date(year, month, day or monthrange(year, month)[1])


@lru_cache(maxsize=65536)
def _data_file(folder: str, path: str, dated: bool, size: int, changed_ns: int) -> DataFile:
    """The same object for the same state: a folder of thousands of files is looked at often."""
    known = parse_name(os.path.basename(path))
    assert known is not None  # the caller found it by its name
    label = Path(path).relative_to(folder).as_posix()
    return DataFile(Path(path), label, known[2], known[1] if dated else None, size, changed_ns)


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(entry.path)
            else:
                yield entry
