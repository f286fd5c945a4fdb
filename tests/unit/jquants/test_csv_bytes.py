"""Rows of text files, as they are downloaded and as they are kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from atft_pipeline.jquants.csv_bytes import csv_rows
from atft_pipeline.jquants.data_files import DataFile

TEXT = b"Date,O,H,L,C\n2024-01-04,1,2.5,,1\n"


def file_of(folder: Path, name: str, content: bytes) -> DataFile:
    path = folder / name
    path.write_bytes(content)
    return DataFile(path, name, ".csv.gz", None, len(content), 0)


@pytest.mark.parametrize("hash_behind", ["", ".9c1d0a2b3c4d"])
def test_numbers_are_read_at_once_whether_the_name_is_as_downloaded_or_as_kept(
    tmp_path: Path, hash_behind: str
) -> None:
    name = f"indices_bars_daily_topix_202401.csv.gz{hash_behind}"
    rows = csv_rows(file_of(tmp_path, name, gzip.compress(TEXT)))
    assert isinstance(rows, pl.DataFrame)
    assert rows.schema == {"Date": pl.String, **dict.fromkeys("OHLC", pl.Float64)}
    assert rows.row(0) == ("2024-01-04", 1.0, 2.5, None, 1.0)


def test_a_file_of_several_gzip_members_is_read_whole(tmp_path: Path) -> None:
    two = gzip.compress(TEXT) + gzip.compress(b"2024-01-05,3,3,3,3\n")
    rows = csv_rows(file_of(tmp_path, "indices_bars_daily_topix_202401.csv.gz", two))
    assert isinstance(rows, pl.DataFrame)
    assert rows["O"].to_list() == [1.0, 3.0]
