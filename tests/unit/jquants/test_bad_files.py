"""Each way in which a folder can be bad is one clear error: file, column, row or value, limit and remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_pipeline.errors import BadData
from atft_pipeline.jquants.files import FilesSource

from .folders import checked_rows, write, write_bars, write_market

BARS = "equities_bars_daily_2022.parquet"
TEXT_BARS = "equities_bars_daily_202203.csv"
MARCH = (date(2022, 3, 1), date(2022, 3, 31))
TODAY = date(2022, 6, 30)
Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_market(tmp_path)


def read_march(folder: Path) -> object:
    source = FilesSource(folder)
    for name in ("equities_master", "daily_bars", "topix"):
        checked_rows(source, name, *MARCH, sessions=[date(2022, 3, 1)], latest=TODAY)
    return source


def in_row(column: str, value: object, row: int = 1, name: str = BARS) -> Damage:
    """Damage: the value of one column in the `row`-th row of March."""

    def damage(folder: Path) -> None:
        rows = pl.read_parquet(folder / name).with_row_index("i")
        at = rows.filter(pl.col("Date") >= "2022-03-01")["i"][row - 1]
        rows = rows.with_columns(pl.when(pl.col("i") == at).then(pl.lit(value)).otherwise(column).alias(column))
        rows.drop("i").write_parquet(folder / name)

    return damage


def rewritten(change: Callable[[pl.DataFrame], pl.DataFrame], name: str = BARS) -> Damage:
    """Damage: a file with other rows or columns."""
    return lambda folder: change(pl.read_parquet(folder / name)).write_parquet(folder / name)


def in_bytes(change: Callable[[bytes], bytes], form: str = "csv") -> Damage:
    """Damage: the bytes of a text file that holds March, which the Parquet file then does not."""

    def damage(folder: Path) -> None:
        path = write_bars(folder, "2022-03", "_202203", form)
        path.write_bytes(change(path.read_bytes()))
        rewritten(lambda rows: rows.filter(~pl.col("Date").str.starts_with("2022-03")))(folder)

    return damage


def twice(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows.filter(pl.col("Date") == "2022-03-01")[:1]])


BAD: dict[str, tuple[Damage, list[str]]] = {
    "a duplicated key": (
        rewritten(twice),
        [BARS, "column Date, Code", "stands twice in this file", "a key stands once"],
    ),
    "a wrong dtype": (
        rewritten(lambda rows: rows.with_columns(H=pl.lit(value=True))),
        [BARS, "column H", "its type is Boolean, number is expected", "Store H as text"],
    ),
    "codes as integers": (
        rewritten(lambda rows: rows.with_columns(Code=pl.lit(13010))),
        [BARS, "column Code", "Int32", "leading zeros count"],
    ),
    "a code of four characters": (in_row("Code", "1301"), [BARS, "column Code, row", "'1301'", "five are expected"]),
    "a date that cannot be read": (
        in_row("Date", "31.3.2022"),
        [BARS, "column Date", "no readable Date", "YYYY-MM-DD"],
    ),
    "a negative price": (in_row("C", -5.0), [BARS, "column C", "C is -5.0", "a price must be above 0"]),
    "a price of zero beside a trade": (in_row("O", 0.0), [BARS, "column O", "O is 0.0", "a price must be above 0"]),
    "H below L": (in_row("H", 0.5), [BARS, "column H", "H 0.5 is below L", "H must be at least L"]),
    "a factor of zero": (in_row("AdjFactor", 0.0), [BARS, "column AdjFactor", "0.0", "a factor must be above 0"]),
    "a negative factor": (in_row("AdjFactor", -1.0), [BARS, "column AdjFactor", "-1.0", "Write 1 on days without"]),
    "a negative volume": (in_row("Vo", -100.0), [BARS, "column Vo", "Vo is -100.0", "at least 0"]),
    "an index price of zero": (
        in_row("C", 0.0, name="indices_bars_daily_topix.parquet"),
        ["indices_bars_daily_topix.parquet", "column C", "C is 0.0"],
    ),
    "an empty period": (
        rewritten(lambda rows: rows.filter(~pl.col("Date").str.starts_with("2022-03"))),
        ["source files", "no row of daily_bars between 2022-03-01", "each session has rows", "period.sessions"],
    ),
    "bytes that are not UTF-8": (
        in_bytes(lambda text: text.replace(b"2022-03-02", b"\x8e\xa9022-03-2", 1)),
        [TEXT_BARS, "column Date, row", "byte 0x8e is not UTF-8", "iconv -f CP932"],
    ),
    "a truncated CSV": (
        in_bytes(lambda text: text[: text.rindex(b",")].rsplit(b",", 2)[0]),
        [TEXT_BARS, "the last line has", "each row must have every field", "again"],
    ),
    "a truncated gzip": (
        in_bytes(lambda packed: packed[: len(packed) // 2], "csv.gz"),
        [TEXT_BARS, "cannot be unpacked", "a whole gzip file is expected", "again"],
    ),
    "a gzip damaged in the middle": (
        in_bytes(lambda packed: packed[:-2000] + b"\xff" * 1000 + packed[-1000:], "csv.gz"),
        [TEXT_BARS, "cannot be unpacked", "a whole gzip file is expected", "again"],
    ),
    "a file that is no gzip": (in_bytes(lambda _: b"Date,Code", "csv.gz"), [TEXT_BARS, "cannot be unpacked"]),
    "a truncated Parquet": (
        lambda folder: (folder / BARS).write_bytes((folder / BARS).read_bytes()[:-1000]),
        [BARS, "is not readable as Parquet", "cut short"],
    ),
    "Parquet damaged in the middle": (
        lambda folder: (folder / BARS).write_bytes(
            (lambda whole: whole[:2000] + b"\xff" * 4000 + whole[6000:])((folder / BARS).read_bytes())
        ),
        [BARS, "is not readable as Parquet", "cut short"],
    ),
    "a missing column": (
        rewritten(lambda rows: rows.drop("AdjFactor", "Vo")),
        [BARS, "column Vo, AdjFactor", "missing; the file has Date", "Name the columns as V2 does"],
    ),
    "an empty CSV": (in_bytes(lambda _: b""), [TEXT_BARS, "missing; the file has no column"]),
    "a CSV without rows": (
        in_bytes(lambda text: text.split(b"\n")[0] + b"\n"),
        [TEXT_BARS, "no row with a readable Date"],
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_clear_error(folder: Path, kind: str) -> None:
    damage, words = BAD[kind]
    read_march(folder)
    damage(folder)
    with pytest.raises(BadData) as caught:
        read_march(folder)
    for word in [*words, "remedy: "]:
        assert word in str(caught.value)


def test_the_row_is_counted_in_its_file_from_one(folder: Path) -> None:
    in_row("H", 0.5, row=3)(folder)
    in_row("L", 1e9, row=3)(folder)
    rows = pl.read_parquet(folder / BARS).with_row_index("i", 1)
    row = rows.filter(pl.col("Date") >= "2022-03-01")["i"][2]
    with pytest.raises(BadData, match=rf"{BARS}, column H, row {row}: H 0.5 is below L"):
        read_march(folder)
    path = write_bars(folder / "again", "2022-03-01", "_20220301", "csv", {"Va": pl.lit(-1)})
    assert path.read_text().splitlines()[1].endswith(",-1,1.0")
    with pytest.raises(BadData, match=r"again/equities_bars_daily_20220301.csv, column Va, row 1: Va is -1.0"):
        read_march(folder)


def test_every_problem_of_every_file_is_told_at_once(folder: Path) -> None:
    in_row("H", 0.5)(folder)
    in_row("Vo", -100.0, row=2)(folder)
    in_row("Code", "1301", row=5)(folder)
    write_bars(folder, "2022-04-01", "_20220401", "csv", {"Vo": pl.col("Vo") + 1})
    path = write_bars(folder, "2022-05", "_202205", "csv.gz")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadData) as caught:
        checked_rows(FilesSource(folder), "daily_bars", date(2022, 3, 1), date(2022, 5, 31))
    for word in ("H 0.5 is below", "Vo is -100", "'1301'", "_20220401.csv", "_202205.csv.gz", "in 3 files"):
        assert word in str(caught.value)


def test_at_most_twenty_problems_are_spelt_out_and_the_rest_are_counted(folder: Path) -> None:
    days = sorted(set(pl.read_parquet(folder / BARS)["Date"]))[:30]
    for day in days:
        write_bars(folder, day, f"_{day.replace('-', '')}", "csv", {"Vo": pl.lit(-1.0)})
    (folder / BARS).unlink()
    with pytest.raises(BadData) as caught:
        checked_rows(FilesSource(folder), "daily_bars", date(2022, 1, 1), date(2022, 3, 31))
    assert "30 problems in 30 files" in str(caught.value)
    assert str(caught.value).count("column Vo, row 1") == 20
    assert "and 10 more" in str(caught.value)


def test_a_rule_that_many_rows_break_is_one_line_with_a_count(folder: Path) -> None:
    rewritten(lambda rows: rows.with_columns(Vo=pl.lit(-1.0)))(folder)
    rows = pl.read_parquet(folder / BARS).filter(pl.col("Date").str.starts_with("2022-03")).height
    with pytest.raises(BadData, match=rf"1 problem in 1 file\n.*\({rows:,} rows; the first is named\)"):
        read_march(folder)


def test_odd_rows_are_counted_and_do_not_stop_anything(folder: Path) -> None:
    nothing = {column: pl.lit(0.0) for column in ("O", "H", "L", "C", "Vo", "Va")}
    bars = pl.read_parquet(folder / BARS).with_columns(pl.lit("?").alias("New"))
    march = bars.filter(pl.col("Date").str.starts_with("2022-03"), pl.col("C").is_not_null())
    odd = pl.concat(
        [
            march[0:1].with_columns(Code=pl.lit("259350")),
            march[1:2].with_columns(Code=pl.lit("99990"), Vo=pl.lit(0.0)),
            march[2:3].with_columns(Code=pl.lit("99980"), **nothing),
            march[3:4].with_columns(Code=pl.lit("99970"), AdjFactor=pl.lit(None, pl.Float64)),
            march[3:4].with_columns(Code=pl.lit("99950"), C=pl.col("H") * 2),
            march[4:5].with_columns(Code=pl.lit("99960"), Date=pl.lit("2022-03-02"), **_flat(100.0)),
            march[4:5].with_columns(Code=pl.lit("99960"), Date=pl.lit("2022-03-03"), **_flat(30.0)),
        ]
    )
    pl.concat([bars, odd]).write_parquet(folder / BARS)
    sessions = [date(2022, 3, 1), date(2022, 3, 21)]
    found = checked_rows(FilesSource(folder), "daily_bars", *MARCH, sessions=sessions, latest=TODAY)
    said = {oddity.says: oddity for oddity in found.findings.oddities}
    expected = {
        "codes that do not have 5 characters": 1,
        "rows with a price and no volume": 1,
        "rows of zeros": 1,
        "rows without an AdjFactor": 1,
        "rows with O or C outside L to H": 1,
        "changes of more than 60%": 1,
        "sessions of the calendar without a bar": 1,
        "unknown column New": 1,
    }
    for words, count in expected.items():
        assert [oddity.count for says, oddity in said.items() if says.startswith(words)] == [count], words
    silent = march.height and bars.filter(pl.col("Date").str.starts_with("2022-03"), pl.col("C").is_null()).height
    assert sum(o.count for says, o in said.items() if says.startswith("rows without a price")) == silent
    assert found.typed.frame.filter(pl.col("Code").is_in(["259350", "99990"])).height == 2


def _flat(price: float) -> dict[str, pl.Expr]:
    return {column: pl.lit(price) for column in ("O", "H", "L", "C")}


def test_a_split_with_its_factor_is_not_odd(folder: Path) -> None:
    bars = pl.read_parquet(folder / BARS)
    row = bars.filter(pl.col("Date") == "2022-03-01", pl.col("C").is_not_null())[:1].with_columns(Code=pl.lit("99960"))
    days = [
        row.with_columns(Date=pl.lit(day), AdjFactor=pl.lit(factor), **_flat(price))
        for day, factor, price in (("2022-03-01", 1.0, 100.0), ("2022-03-02", 0.2, 20.0), ("2022-03-03", 1.0, 21.0))
    ]
    pl.concat([bars, *days]).write_parquet(folder / BARS)
    found = checked_rows(FilesSource(folder), "daily_bars", *MARCH, latest=TODAY)
    assert not [oddity for oddity in found.findings.oddities if "without an AdjFactor (a split" in oddity.says]


def test_a_date_in_the_future(folder: Path) -> None:
    rewritten(lambda rows: pl.concat([rows, rows[:1].with_columns(Date=pl.lit("2022-07-01"))]))(folder)
    source = FilesSource(folder)
    with pytest.raises(BadData, match=rf"{BARS}, column Date, row \d+: Date 2022-07-01 lies in the future") as caught:
        checked_rows(source, "daily_bars", date(2022, 6, 1), source.last_session(), latest=TODAY)
    assert "the latest possible is 2022-06-30" in str(caught.value)


def test_the_next_sessions_master_is_not_in_the_future(folder: Path) -> None:
    master = FilesSource(folder).fetch("equities_master", TODAY, TODAY).with_columns(Date=pl.lit("2022-07-01"))
    write(folder, "equities_master", master, "_20220701")
    checked_rows(FilesSource(folder), "equities_master", date(2022, 6, 1), date(2022, 7, 1), latest=TODAY)
